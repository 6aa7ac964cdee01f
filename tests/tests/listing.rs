//! Listings of many keys, in all forms, against a model of what S3 lists.

use std::collections::BTreeSet;
use std::sync::Arc;
use weir_tests::xml::Element;
use weir_tests::{Client, Server, decoded, query_of};

/// Puts empty objects of these keys, eight at a time.
pub fn fill(client: &Client, bucket: &str, keys: &[String]) {
    std::thread::scope(|scope| {
        for share in keys.chunks(keys.len().div_ceil(8).max(1)) {
            scope.spawn(move || {
                for key in share {
                    client.put(&format!("{bucket}/{}", weir_tests::path_of(key)), "").expect(200);
                }
            });
        }
    });
}

/// 2,530 keys: folders of 100, names before and after them, and a few without a folder.
fn many_keys() -> Vec<String> {
    let mut keys: Vec<String> =
        (0..25).flat_map(|folder| (0..100).map(move |key| format!("d{folder:02}/k{key:03}"))).collect();
    keys.extend((0..10).map(|number| format!("d0{number}")));
    keys.extend((0..10).map(|number| format!("d0{number}.txt")));
    keys.extend((0..10).map(|number| format!("top {number}+")));
    keys.sort();
    keys
}

/// An entry of a listing: a key, or a common prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Key(String),
    Prefix(String),
}

/// What S3 lists of these keys, in order.
fn model(keys: &BTreeSet<String>, prefix: &str, delimiter: &str, after: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for key in keys.iter().filter(|key| key.starts_with(prefix)) {
        let cut = (!delimiter.is_empty()).then(|| key[prefix.len()..].find(delimiter)).flatten();
        let entry = match cut {
            Some(at) => Entry::Prefix(key[..prefix.len() + at + delimiter.len()].to_owned()),
            None => Entry::Key(key.clone()),
        };
        let hidden = match &entry {
            Entry::Key(key) => key.as_str() <= after,
            // A marker that is a common prefix hides all under it; one within it leaves the rest.
            Entry::Prefix(common) => key.as_str() <= after || common.as_str() == after,
        };
        if !hidden && entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    entries
}

/// The entries of a page. Keys and common prefixes come apart; their byte order is that of the listing.
fn entries(page: &Element) -> Vec<Entry> {
    let url = page.find("EncodingType") == Some("url");
    let text = |raw: String| if url { String::from_utf8(decoded(&raw)).unwrap() } else { raw };
    let mut named: Vec<(String, Entry)> = Vec::new();
    for key in page.texts("Contents", "Key").into_iter().map(text) {
        named.push((key.clone(), Entry::Key(key)));
    }
    for prefix in page.texts("CommonPrefixes", "Prefix").into_iter().map(text) {
        named.push((prefix.clone(), Entry::Prefix(prefix)));
    }
    named.sort();
    named.into_iter().map(|(_, entry)| entry).collect()
}

#[derive(Clone, Copy, Debug)]
enum Form {
    V1,
    V2,
    BasePath,
}

/// A listing in pages of `max_keys`, each asked for by what the page before gave.
fn pages(client: &Client, bucket: &str, form: Form, query: &str, max_keys: usize) -> Vec<Element> {
    let mut pages: Vec<Element> = Vec::new();
    let mut next = String::new();
    loop {
        let list_type = if matches!(form, Form::V2) { "&list-type=2" } else { "" };
        let path = format!("{bucket}?max-keys={max_keys}&{query}{list_type}{next}");
        let page = client.get(&path).expect(200).xml();
        assert_eq!(page.get("MaxKeys"), max_keys.to_string());
        let count = entries(&page).len();
        assert!(count <= max_keys, "{path} gave {count} entries");
        if !matches!(form, Form::V1) {
            assert_eq!(page.get("KeyCount"), count.to_string(), "{path}");
        }
        let truncated = page.get("IsTruncated") == "true";
        if truncated {
            assert_eq!(count, max_keys, "{path}: only the last page may be short");
            next = match form {
                Form::V2 => format!("&continuation-token={}", query_of(page.get("NextContinuationToken"))),
                Form::BasePath => format!("&continuation-token={}", query_of(page.get("NextContinuationToken"))),
                // NextMarker comes with a delimiter only; without one the last key is the marker.
                Form::V1 => format!("&marker={}", query_of(marker_after(&page, query.contains("delimiter=")))),
            };
        } else {
            assert!(page.find("NextContinuationToken").unwrap_or("").is_empty(), "{path}");
        }
        pages.push(page);
        if !truncated {
            return pages;
        }
    }
}

fn marker_after(page: &Element, delimited: bool) -> String {
    let last = match entries(page).pop() {
        Some(Entry::Key(name) | Entry::Prefix(name)) => name,
        None => panic!("a truncated page without entries"),
    };
    if delimited {
        assert_eq!(decoded(page.get("NextMarker")), last.as_bytes());
    }
    last
}

struct Many {
    server: Arc<Server>,
    bucket: String,
    keys: BTreeSet<String>,
}

fn many(name: &str) -> Many {
    let server = Server::shared();
    let bucket = server.client().bucket(name);
    let keys = many_keys();
    fill(&server.client(), &bucket, &keys);
    Many { server, bucket, keys: keys.into_iter().collect() }
}

#[test]
fn pages_of_every_form_and_size_give_each_entry_once() {
    let many = many("many-pages");
    let (root, base) = (many.server.client(), many.server.base_path_client());
    let queries = [
        ("", "", ""),
        ("d07/", "", ""),
        ("d0", "", ""),
        ("", "/", ""),
        ("d1", "/", ""),
        ("", "00", ""),
        ("d", "/k", ""),
        ("", "/k00", ""),
        ("nothing", "/", ""),
        ("", "9/k099", ""),
    ];
    for (prefix, delimiter, after) in queries {
        let expected = model(&many.keys, prefix, delimiter, after);
        for max_keys in [1000, 999, 7] {
            if max_keys == 7 && expected.len() > 300 {
                continue;
            }
            let mut query = format!("prefix={}", query_of(prefix));
            if !delimiter.is_empty() {
                query.push_str(&format!("&delimiter={}", query_of(delimiter)));
            }
            for (client, form) in [(&root, Form::V1), (&root, Form::V2), (&base, Form::BasePath), (&base, Form::V2)] {
                for encoding in ["", "&encoding-type=url"] {
                    let pages = pages(client, &many.bucket, form, &format!("{query}{encoding}"), max_keys);
                    let found: Vec<Entry> = pages.iter().flat_map(entries).collect();
                    assert_eq!(found, expected, "{form:?} {query}{encoding} in pages of {max_keys}");
                }
            }
        }
    }
}

#[test]
fn pages_of_one_entry_each_are_whole() {
    let many = many("pages-of-one");
    let client = many.server.client();
    let expected = model(&many.keys, "d0", "/", "");
    for form in [Form::V1, Form::V2] {
        let found: Vec<Entry> =
            pages(&client, &many.bucket, form, "prefix=d0&delimiter=%2F", 1).iter().flat_map(entries).collect();
        assert_eq!(found, expected, "{form:?}");
    }
}

#[test]
fn a_marker_may_name_any_key_there_or_not() {
    let many = many("any-marker");
    let client = many.server.client();
    for after in ["d07/k050", "d07/k050x", "a", "zzz", "d07/", "d07", "d00.txt", "top 5+", "\u{10ffff}"] {
        for delimiter in ["", "/"] {
            let expected = model(&many.keys, "", delimiter, after);
            let suffix = if delimiter.is_empty() { "" } else { "&delimiter=/" };
            for query in [
                format!("marker={}{suffix}", query_of(after)),
                format!("list-type=2&start-after={}{suffix}", query_of(after)),
            ] {
                let page = client.get(&format!("{}?{query}", many.bucket)).expect(200).xml();
                let found = entries(&page);
                let whole = expected.len().min(1000);
                // start-after names a key, never a common prefix: one that equals it still shows what lies under it.
                if query.starts_with("marker") || after != "d07/" || delimiter.is_empty() {
                    assert_eq!(found, expected[..whole], "{query}");
                }
                let echoed = page.find("Marker").or(page.find("StartAfter")).unwrap_or("");
                assert_eq!(echoed, after, "{query}");
            }
        }
    }
}

#[test]
fn max_keys_is_clamped_and_may_be_zero() {
    let many = many("max-keys");
    let client = many.server.client();
    let at = |query: &str| client.get(&format!("{}?{query}", many.bucket));
    for list_type in ["", "&list-type=2"] {
        let none = at(&format!("max-keys=0{list_type}")).expect(200).xml();
        assert_eq!((entries(&none).len(), none.get("MaxKeys"), none.get("IsTruncated")), (0, "0", "false"));
        for (asked, count) in [("1", 1), ("999", 999), ("1000", 1000), ("1001", 1000), ("1000000000", 1000)] {
            let page = at(&format!("max-keys={asked}{list_type}")).expect(200).xml();
            assert_eq!(entries(&page).len(), count, "max-keys={asked}");
            assert_eq!(page.get("IsTruncated"), "true");
        }
        for wrong in ["-1", "x", "1.5", "99999999999999999999999"] {
            at(&format!("max-keys={wrong}{list_type}")).expect_error(400, "InvalidArgument");
        }
    }
}

#[test]
fn the_elements_of_each_form_are_those_of_s3() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("elements");
    client.put(&format!("{bucket}/f/a"), "1").expect(200);
    client.put(&format!("{bucket}/g"), "22").expect(200);

    let v1 = client.get(&format!("{bucket}?delimiter=/")).expect(200).xml();
    assert_eq!(v1.name, "ListBucketResult");
    assert_eq!(v1.attributes, [("xmlns".to_owned(), "http://s3.amazonaws.com/doc/2006-03-01/".to_owned())]);
    assert_eq!((v1.get("Name"), v1.get("Prefix"), v1.get("Marker"), v1.get("Delimiter")), ("elements", "", "", "/"));
    assert_eq!(v1.texts("CommonPrefixes", "Prefix"), ["f/"]);
    let object = v1.child("Contents").unwrap();
    assert_eq!((object.get("Key"), object.get("Size"), object.get("StorageClass")), ("g", "2", "STANDARD"));
    assert!(object.find("Owner/ID").is_some());
    assert!(v1.find("NextMarker").is_none());
    let modified = object.get("LastModified");
    assert!(modified.len() == 24 && &modified[19..20] == "." && modified.ends_with('Z'), "{modified}");

    let v2 = client.get(&format!("{bucket}?list-type=2&prefix=g")).expect(200).xml();
    assert!(v2.find("Marker").is_none() && v2.find("Delimiter").is_none());
    assert!(v2.child("Contents").unwrap().child("Owner").is_none());
    let owned = client.get(&format!("{bucket}?list-type=2&prefix=g&fetch-owner=true")).expect(200).xml();
    assert!(owned.child("Contents").unwrap().find("Owner/ID").is_some());

    let empty = client.get(&format!("{bucket}?delimiter=&prefix=")).expect(200).xml();
    assert_eq!(empty.texts("Contents", "Key"), ["f/a", "g"]);
    assert!(empty.find("Delimiter").is_none(), "an empty delimiter is left out");
}

#[test]
fn a_listing_sees_each_write_at_once() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("at-once");
    for number in 0..50 {
        client.put(&format!("{bucket}/k{number:02}"), "x").expect(200);
        let listed = client.get(&format!("{bucket}?list-type=2")).expect(200).xml();
        assert_eq!(listed.get("KeyCount"), (number + 1).to_string());
    }
    client.delete(&format!("{bucket}/k25")).expect(204);
    let listed = client.get(&bucket).expect(200).xml().texts("Contents", "Key");
    assert!(listed.len() == 49 && !listed.contains(&"k25".to_owned()));
}

#[test]
fn parts_and_uploads_never_show_among_objects() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("no-parts");
    let begun = client.post(&format!("{bucket}/whole?uploads"), "").expect(200).xml();
    let id = begun.get("UploadId");
    client.put(&format!("{bucket}/whole?partNumber=1&uploadId={id}"), "x").expect(200);
    assert_eq!(client.get(&bucket).expect(200).xml().texts("Contents", "Key").len(), 0);
    client.delete(&format!("{bucket}/whole?uploadId={id}")).expect(204);
}
