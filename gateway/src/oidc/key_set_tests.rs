use super::*;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _,
};

/// RFC 7515, A.2.
const RSA_KEY: &str = r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ""#;
const RSA_SIGNED: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const RSA_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
/// RFC 7515, A.3.
const EC_KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;
const EC_SIGNED: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const EC_SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// A set of keys, each an object that lacks its closing brace, and what more it has.
fn set(keys: &[(&str, &str)]) -> KeySet {
    let keys: Vec<String> = keys.iter().map(|(key, more)| format!("{key}{more}}}")).collect();
    KeySet::parse(format!(r#"{{"keys":[{}],"other":1}}"#, keys.join(",")).as_bytes()).unwrap()
}

fn verify(
    keys: &KeySet,
    algorithm: Algorithm,
    key_id: Option<&str>,
    signed: &str,
    signature: &str,
) -> Result<(), KeyError> {
    keys.verify(algorithm, key_id, signed.as_bytes(), &BASE64_URL.decode(signature).unwrap())
}

#[test]
fn the_examples_of_the_standard_verify() {
    assert_eq!(verify(&set(&[(RSA_KEY, "")]), Algorithm::Rs256, None, RSA_SIGNED, RSA_SIGNATURE), Ok(()));
    assert_eq!(verify(&set(&[(EC_KEY, "")]), Algorithm::Es256, None, EC_SIGNED, EC_SIGNATURE), Ok(()));
}

#[test]
fn what_was_altered_does_not_verify() {
    for (key, algorithm, signed, signature) in
        [(RSA_KEY, Algorithm::Rs256, RSA_SIGNED, RSA_SIGNATURE), (EC_KEY, Algorithm::Es256, EC_SIGNED, EC_SIGNATURE)]
    {
        let keys = set(&[(key, "")]);
        let signature = BASE64_URL.decode(signature).unwrap();
        let altered = format!("{signed}A");
        assert_eq!(keys.verify(algorithm, None, altered.as_bytes(), &signature), Err(KeyError::WrongSignature));
        for at in [0, signature.len() / 2, signature.len() - 1] {
            let mut altered = signature.clone();
            altered[at] ^= 1;
            assert_eq!(keys.verify(algorithm, None, signed.as_bytes(), &altered), Err(KeyError::WrongSignature));
        }
        for odd in [&[][..], &signature[1..], &[0; 64], &[0; 256]] {
            assert_eq!(keys.verify(algorithm, None, signed.as_bytes(), odd), Err(KeyError::WrongSignature));
        }
    }
}

#[test]
fn a_key_is_used_with_the_algorithm_that_it_was_made_for() {
    let rsa = set(&[(RSA_KEY, r#","alg":"RS512""#)]);
    assert_eq!(verify(&rsa, Algorithm::Rs256, None, RSA_SIGNED, RSA_SIGNATURE), Err(KeyError::WrongSignature));
    let rsa = set(&[(RSA_KEY, "")]);
    for algorithm in Algorithm::ALL {
        let expected = if algorithm == Algorithm::Rs256 { Ok(()) } else { Err(KeyError::WrongSignature) };
        assert_eq!(verify(&rsa, algorithm, None, RSA_SIGNED, RSA_SIGNATURE), expected, "{algorithm:?}");
    }
}

#[test]
fn the_name_of_the_key_is_needed_where_there_are_several() {
    let keys = set(&[(RSA_KEY, r#","kid":"a""#), (EC_KEY, r#","kid":"b","use":"sig","key_ops":["verify"]"#)]);
    assert_eq!(verify(&keys, Algorithm::Rs256, Some("a"), RSA_SIGNED, RSA_SIGNATURE), Ok(()));
    assert_eq!(verify(&keys, Algorithm::Es256, Some("b"), EC_SIGNED, EC_SIGNATURE), Ok(()));
    assert_eq!(verify(&keys, Algorithm::Rs256, Some("b"), RSA_SIGNED, RSA_SIGNATURE), Err(KeyError::WrongSignature));
    assert_eq!(verify(&keys, Algorithm::Rs256, None, RSA_SIGNED, RSA_SIGNATURE), Err(KeyError::NotNamed));
    assert_eq!(verify(&keys, Algorithm::Rs256, Some("c"), RSA_SIGNED, RSA_SIGNATURE), Err(KeyError::Unknown));
    let unnamed = set(&[(RSA_KEY, "")]);
    assert_eq!(verify(&unnamed, Algorithm::Rs256, Some("a"), RSA_SIGNED, RSA_SIGNATURE), Err(KeyError::Unknown));
    assert_eq!(verify(&set(&[]), Algorithm::Rs256, None, RSA_SIGNED, RSA_SIGNATURE), Err(KeyError::Unknown));
}

#[test]
fn two_keys_of_one_name_are_both_tried() {
    let keys = set(&[(EC_KEY, r#","kid":"a""#), (RSA_KEY, r#","kid":"a""#)]);
    assert_eq!(verify(&keys, Algorithm::Rs256, Some("a"), RSA_SIGNED, RSA_SIGNATURE), Ok(()));
    assert_eq!(verify(&keys, Algorithm::Es256, Some("a"), EC_SIGNED, EC_SIGNATURE), Ok(()));
}

#[test]
fn keys_that_are_for_something_else_or_broken_are_left_out() {
    let short = r#"{"kty":"RSA","e":"AQAB","n":"wJ7nAvmgmzM4qbWmZjQqfA""#;
    let keys = set(&[
        (RSA_KEY, r#","kid":"enc","use":"enc""#),
        (RSA_KEY, r#","kid":"ops","key_ops":["encrypt"]"#),
        (RSA_KEY, r#","kid":"oaep","alg":"RSA-OAEP""#),
        (RSA_KEY, r#","kid":"hs","alg":"HS256""#),
        (RSA_KEY, r#","kid":7"#),
        (short, ""),
        (r#"{"kty":"RSA""#, ""),
        (r#"{"kty":"oct","k":"c2VjcmV0""#, ""),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#, ""),
        (r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU""#, ""),
        (&EC_KEY.replace("P-256", "P-384"), ""),
    ]);
    assert_eq!(keys.keys.len(), 0, "{keys:?}");
    let mixed = KeySet::parse(format!(r#"{{"keys":[7,null,["RSA"],{RSA_KEY}}}]}}"#).as_bytes()).unwrap();
    assert_eq!(mixed.keys.len(), 1);
}

#[test]
fn a_point_off_its_curve_confirms_nothing() {
    let off = EC_KEY.replace("x_FEz", "y_FEz");
    assert_eq!(
        verify(&set(&[(&off, "")]), Algorithm::Es256, None, EC_SIGNED, EC_SIGNATURE),
        Err(KeyError::WrongSignature)
    );
}

#[test]
fn what_is_no_set_of_keys_is_refused_and_a_long_one_is_cut() {
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}{}"#, r#"{"keys":[],"keys":[]}"#, "<html>"] {
        assert!(KeySet::parse(text.as_bytes()).is_none(), "{text}");
    }
    let many: Vec<(&str, &str)> = vec![(EC_KEY, ""); KEY_MAX_COUNT + 1];
    assert_eq!(set(&many).keys.len(), KEY_MAX_COUNT);
}

#[test]
fn keys_of_both_curves_verify() {
    let sign = |algorithm: &'static EcdsaSigningAlgorithm, curve: &str, verified: Algorithm| {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at((pair.public_key().as_ref().len() - 1) / 2);
        let key =
            format!(r#"{{"kty":"EC","crv":"{curve}","x":"{}","y":"{}""#, BASE64_URL.encode(x), BASE64_URL.encode(y));
        let signature = pair.sign(&random, b"signed").unwrap();
        set(&[(&key, "")]).verify(verified, None, b"signed", signature.as_ref())
    };
    assert_eq!(sign(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", Algorithm::Es256), Ok(()));
    assert_eq!(sign(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", Algorithm::Es384), Ok(()));
    assert_eq!(sign(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", Algorithm::Es256), Err(KeyError::WrongSignature));
}
