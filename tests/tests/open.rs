//! A server without keys: open to the programs of its machine, and to nobody's web page.

use weir_tests::form::policy;
use weir_tests::{Form, Server};

#[test]
fn a_web_page_of_elsewhere_reaches_nothing() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("open-pages");
    client.put(&format!("{bucket}/k"), "body").expect(200);
    for host in ["evil.example", "localhost.evil.example:39999", "192.0.2.7"] {
        client.request("GET", &format!("{bucket}/k")).host(host).send().expect_error(403, "AccessDenied");
        client.request("PUT", "/rebound").host(host).send().expect_error(403, "AccessDenied");
    }
    for origin in ["http://evil.example", "null"] {
        let page = |method: &str, path: &str, body: &str| {
            client.request(method, path).header("origin", origin).body(body).send().expect_error(403, "AccessDenied")
        };
        page("GET", &format!("{bucket}/k"), "");
        page("PUT", &format!("{bucket}/planted"), "x");
        page("POST", &format!("{bucket}?delete"), "<Delete><Object><Key>k</Key></Object></Delete>");
        let form = Form::new().field("key", "planted").field("policy", policy("")).file("f", "x");
        let posted = client.request("POST", &bucket).header("origin", origin);
        let posted = posted.header("content-type", &weir_tests::form::content_type()).body(form.body());
        posted.send().expect_error(403, "AccessDenied");
    }
    client.get("/rebound").expect(404);
    client.get(&format!("{bucket}/planted")).expect(404);
    assert_eq!(client.get(&format!("{bucket}/k")).expect(200).body, b"body");
    let own =
        client.request("GET", &format!("{bucket}/k")).host("localhost:1").header("origin", "http://localhost:3000");
    own.send().expect(200);
}

#[test]
fn nobody_makes_identities_where_nobody_is_known() {
    let server = Server::shared();
    let client = server.client();
    let ask = |form: &str| {
        let request = client.request("POST", "/").header("content-type", "application/x-www-form-urlencoded");
        request.body(form).send()
    };
    for form in [
        "Action=CreateUser&UserName=planted&Version=2010-05-08",
        "Action=ListUsers&Version=2010-05-08",
        "Action=GetSessionToken&Version=2011-06-15",
        "Action=AssumeRole&RoleArn=arn:aws:iam::000000000000:role/r&RoleSessionName=s1&Version=2011-06-15",
    ] {
        assert_eq!(ask(form).status, 403, "{form}");
    }
    let who = ask("Action=GetCallerIdentity&Version=2011-06-15").expect(200).text();
    assert!(who.contains("arn:aws:iam::000000000000:root"), "{who}");
}
