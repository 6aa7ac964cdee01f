use super::*;

const MARCH_27_2007_MS: i64 = 1_175_024_202_000;

fn headers(named: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in named {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

#[test]
fn a_header_names_key_signature_and_token() {
    let headers = headers(&[
        ("authorization", "AWS key:with:colons:c2ln"),
        ("date", "Tue, 27 Mar 2007 19:36:42 +0000"),
        ("x-amz-security-token", "token"),
    ]);
    let claim = Claim::from_header(&headers).unwrap();
    assert_eq!((claim.access_key_id(), claim.security_token()), ("key:with:colons", Some("token")));
    for late_ms in [-900_000, 0, 900_000] {
        claim.check_time(MARCH_27_2007_MS + late_ms).unwrap();
    }
    for late_ms in [-900_001, 900_001] {
        let error = claim.check_time(MARCH_27_2007_MS + late_ms).unwrap_err();
        assert_eq!(error.code(), ErrorCode::RequestTimeTooSkewed);
    }
}

#[test]
fn headers_that_are_none_are_refused() {
    let code = |authorization: &str, date: &str| {
        Claim::from_header(&headers(&[("authorization", authorization), ("date", date)])).unwrap_err().code()
    };
    let date = "Tue, 27 Mar 2007 19:36:42 +0000";
    for authorization in ["AWS", "AWS ", "AWS :", "AWS key", "AWS key:", "AWS :sig", "aws key:sig", "AWS2 key:sig"] {
        assert_eq!(code(authorization, date), ErrorCode::InvalidArgument, "{authorization}");
    }
    assert_eq!(code("", date), ErrorCode::AccessDenied);
    assert_eq!(code("AWS key:sig", ""), ErrorCode::AccessDenied);
    assert_eq!(code("AWS key:sig", "yesterday"), ErrorCode::AccessDenied);
    let twice = headers(&[("authorization", "AWS a:b"), ("authorization", "AWS a:b"), ("date", date)]);
    assert_eq!(Claim::from_header(&twice).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(Claim::from_header(&HeaderMap::new()).unwrap_err().code(), ErrorCode::AccessDenied);
}

#[test]
fn a_presigned_url_counts_until_it_expires() {
    let query = Query::parse("AWSAccessKeyId=key&Signature=a+b%2Bc&Expires=1175139620&X-Amz-Security-Token=t").unwrap();
    let no_headers = HeaderMap::new();
    let claim = Claim::from_query(&query, &no_headers).unwrap();
    assert_eq!((claim.access_key_id(), claim.security_token()), ("key", Some("t")));
    assert_eq!(claim.signature, "a+b+c");
    for now_ms in [0, 1_175_139_620_000] {
        claim.check_time(now_ms).unwrap();
    }
    let error = claim.check_time(1_175_139_620_001).unwrap_err();
    assert_eq!((error.code(), error.message()), (ErrorCode::AccessDenied, "Request has expired"));
    let with_token = headers(&[("x-amz-security-token", "in the header")]);
    assert_eq!(Claim::from_query(&query, &with_token).unwrap().security_token(), Some("in the header"));
}

#[test]
fn presigned_urls_that_are_none_are_refused() {
    for query in [
        "AWSAccessKeyId=key&Signature=sig",
        "AWSAccessKeyId=key&Expires=1",
        "Signature=sig&Expires=1",
        "AWSAccessKeyId=key&Signature=sig&Expires=",
        "AWSAccessKeyId=key&Signature=sig&Expires=-1",
        "AWSAccessKeyId=key&Signature=sig&Expires=1.5",
        "AWSAccessKeyId=key&Signature=sig&Expires=%2B1",
        "AWSAccessKeyId=key&Signature=sig&Expires=99999999999999999999",
        "AWSAccessKeyId=key&Signature=sig&Expires=Tue, 27 Mar 2007 19:36:42",
    ] {
        let query = Query::parse(query).unwrap();
        let error = Claim::from_query(&query, &HeaderMap::new()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::AccessDenied, "{query:?}");
    }
    let query = Query::parse("AWSAccessKeyId=key&Signature=sig&Expires=9223372036854775807").unwrap();
    Claim::from_query(&query, &HeaderMap::new()).unwrap().check_time(i64::MAX).unwrap();
}
