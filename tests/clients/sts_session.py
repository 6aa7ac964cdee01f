"""Temporary credentials: awscli and boto3 ask for them, and use them on S3 at the base path. The issuer of web
identities is a process of this session's own."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from session import BASE_PATH, ENDPOINT, KEYS, REGION, WORK, Checks, run

AWS = Path(sys.executable).parent / "aws"
ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "000000000000"
BUCKET = "bucket-of-sts"
SCRATCH = WORK / "sts"
# A change of the directory holds everywhere after so long.
DIRECTORY_SECONDS = 2


def client(service, credentials=None):
    """A client with keys: the root's, or `Credentials` of an answer. S3 at the base path, the others at `/`."""
    keys = credentials or {"AccessKeyId": KEYS.access, "SecretAccessKey": KEYS.secret}
    return boto3.client(
        service,
        endpoint_url=ENDPOINT + (BASE_PATH if service == "s3" else ""),
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys.get("SessionToken"),
        region_name=REGION,
        config=Config(
            signature_version="s3v4" if service == "s3" else "v4",
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
        ),
    )


def aws(*words, credentials=None, **more):
    """The answer of a command of awscli."""
    keys = credentials or {"AccessKeyId": KEYS.access, "SecretAccessKey": KEYS.secret}
    environment = {
        **os.environ,
        # It keeps what it was given there, and would take it to another server.
        "HOME": str(SCRATCH),
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_CONFIG_FILE": str(SCRATCH / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(SCRATCH / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_MAX_ATTEMPTS": "1",
        **more,
    }
    if "SessionToken" in keys:
        environment["AWS_SESSION_TOKEN"] = keys["SessionToken"]
    out = run(AWS, "--endpoint-url", ENDPOINT, "--output", "json", *words, env=environment)
    return json.loads(out) if out.strip() else {}


@contextlib.contextmanager
def refused(code):
    """What is within is refused with this code."""
    try:
        yield
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, f"{error}, not {code}"
    else:
        raise AssertionError(f"it was not refused with {code}")


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*"):
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def trust(principal, action="sts:AssumeRole", condition=None):
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    return document(statement | ({"Condition": condition} if condition else {}))


def role_arn(name):
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


class Issuer:
    """`oidc_issuer/` of the crate of tests."""

    def __init__(self):
        program = os.environ.get("WEIR_OIDC_ISSUER")
        if not program:
            run("cargo", "build", "--quiet", "--package", "weir-tests", "--bin", "weir-oidc-issuer", cwd=ROOT)
            program = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "weir-oidc-issuer"
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        self.provider = self.url.removeprefix("http://")

    def order(self, order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def token(self, algorithm="RS256", key="rsa", **claims):
        now = int(time.time())
        own = {"iss": self.url, "sub": "repo:weir:main", "aud": "app", "iat": now, "exp": now + 600}
        return self.order({"mint": {"alg": algorithm, "kid": key, "claims": own | claims}})

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


class Account:
    """Users, roles and an issuer, made with the root keys."""

    def __init__(self, issuer):
        self.iam, self.s3, self.issuer = client("iam"), client("s3"), issuer
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_object(Bucket=BUCKET, Key="there", Body=b"there")
        self.alice, self.bob = self.user("sts-alice"), self.user("sts-bob")
        self.iam.put_user_policy(UserName="sts-alice", PolicyName="s3", PolicyDocument=document(allow("s3:*")))
        alice = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/sts-alice"}
        self.role("sts-writer", trust(alice, ["sts:AssumeRole", "sts:TagSession"]))
        self.role("sts-account", trust({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}))
        self.role("sts-partner", trust(alice, condition={"StringEquals": {"sts:ExternalId": "partner-7"}}))
        self.role("sts-chained", trust({"AWS": role_arn("sts-writer")}))
        self.iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["app"], ThumbprintList=["0" * 40])
        federated = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer.provider}"}
        condition = {"StringLike": {f"{issuer.provider}:sub": "repo:weir:*"}}
        self.role("sts-web", trust(federated, "sts:AssumeRoleWithWebIdentity", condition))
        time.sleep(DIRECTORY_SECONDS)

    def user(self, name):
        self.iam.create_user(UserName=name)
        return self.iam.create_access_key(UserName=name)["AccessKey"]

    def role(self, name, trust_document):
        self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust_document)
        arns = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
        policy = document(allow("s3:*", arns))
        self.iam.put_role_policy(RoleName=name, PolicyName="s3", PolicyDocument=policy)

    def take(self, role="sts-writer", credentials=None, **more):
        sts = client("sts", credentials or self.alice)
        return sts.assume_role(RoleArn=role_arn(role), RoleSessionName="monday", **more)


def put_and_get(s3, key="through"):
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"bytes")
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"bytes"


def identities(checks, account):
    with checks.check("awscli: who am I?"):
        root = aws("sts", "get-caller-identity")
        assert root == {"UserId": ACCOUNT, "Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:root"}, root
        alice = aws("sts", "get-caller-identity", credentials=account.alice)
        assert alice["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/sts-alice", alice
        assert alice["UserId"].startswith("AIDA"), alice
    with checks.check("whose key is it?"):
        key = account.alice["AccessKeyId"]
        assert client("sts").get_access_key_info(AccessKeyId=key)["Account"] == ACCOUNT
        with refused("AccessDenied"):
            client("sts", account.bob).get_access_key_info(AccessKeyId=key)
    with checks.check("an action that is not served"):
        with refused("InvalidAction"):
            client("sts").get_federation_token(Name="someone")


def roles(checks, account):
    with checks.check("awscli: take a role and use it on S3"):
        taken = aws(
            *("sts", "assume-role", "--role-session-name", "monday", "--duration-seconds", "900"),
            *("--role-arn", role_arn("sts-writer")),
            credentials=account.alice,
        )
        arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/sts-writer/monday"
        assert taken["AssumedRoleUser"]["Arn"] == arn, taken
        assert taken["Credentials"]["AccessKeyId"].startswith("ASIA")
        assert aws("sts", "get-caller-identity", credentials=taken["Credentials"])["Arn"] == arn
        put_and_get(client("s3", taken["Credentials"]))
        with refused("AccessDenied"):
            client("s3", taken["Credentials"]).list_buckets()
    with checks.check("awscli itself takes the role of its profile"):
        config = SCRATCH / "config"
        config.write_text(f"[profile writer]\nrole_arn = {role_arn('sts-writer')}\ncredential_source = Environment\n")
        ends = {"AWS_ENDPOINT_URL_STS": ENDPOINT, "AWS_CONFIG_FILE": str(config)}
        words = ("--profile", "writer", "s3api", "head-object", "--bucket", BUCKET, "--key", "there")
        assert aws(*words, credentials=account.alice, **ends)["ContentLength"] == 5
    with checks.check("presigned URLs of a session"):
        s3 = client("s3", account.take()["Credentials"])
        url = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "there"}, ExpiresIn=60)
        assert urllib.request.urlopen(url, timeout=30).read() == b"there"
        try:
            urllib.request.urlopen(url.replace("X-Amz-Security-Token=", "X-Amz-Security-Token=A"), timeout=30)
            raise AssertionError("an altered token was taken")
        except urllib.error.HTTPError as error:
            assert error.code in (400, 403), error
    with checks.check("who is not trusted takes no role"):
        with refused("AccessDenied"):
            account.take(credentials=account.bob)
        with refused("AccessDenied"):
            account.take(credentials={"AccessKeyId": KEYS.access, "SecretAccessKey": KEYS.secret})
        with refused("AccessDenied"):
            account.take("sts-nowhere")
    with checks.check("a role that trusts the account leaves it to the user's policies"):
        with refused("AccessDenied"):
            account.take("sts-account")
        policy = document(allow("sts:AssumeRole", role_arn("sts-account")))
        account.iam.put_user_policy(UserName="sts-alice", PolicyName="sts", PolicyDocument=policy)
        time.sleep(DIRECTORY_SECONDS)
        put_and_get(client("s3", account.take("sts-account")["Credentials"]))
    with checks.check("an external id"):
        with refused("AccessDenied"):
            account.take("sts-partner")
        account.take("sts-partner", ExternalId="partner-7")
    with checks.check("a role taken from a role lasts an hour"):
        writer = account.take()["Credentials"]
        account.take("sts-chained", writer)
        with refused("ValidationError"):
            account.take("sts-chained", writer, DurationSeconds=3601)
    with checks.check("more time than the role allows"):
        with refused("ValidationError"):
            account.take(DurationSeconds=43200)


def bounds(checks, account):
    there = {"Bucket": BUCKET, "Key": "there"}
    with checks.check("a session policy restricts"):
        policy = document(allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/there"))
        taken = account.take(Policy=policy)
        assert 0 < taken["PackedPolicySize"] <= 100
        s3 = client("s3", taken["Credentials"])
        s3.get_object(**there)
        with refused("AccessDenied"):
            s3.put_object(**there, Body=b"other")
        with refused("AccessDenied"):
            s3.delete_object(**there)
    with checks.check("a session policy allows nothing of its own"):
        bob = trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/sts-bob"})
        account.iam.create_role(RoleName="sts-empty", AssumeRolePolicyDocument=bob)
        time.sleep(DIRECTORY_SECONDS)
        empty = account.take("sts-empty", account.bob, Policy=document(allow("s3:*")))
        with refused("AccessDenied"):
            client("s3", empty["Credentials"]).get_object(**there)
    with checks.check("a managed session policy restricts"):
        made = account.iam.create_policy(PolicyName="sts-get", PolicyDocument=document(allow("s3:GetObject")))
        time.sleep(DIRECTORY_SECONDS)
        taken = account.take(PolicyArns=[{"arn": made["Policy"]["Arn"]}])
        client("s3", taken["Credentials"]).get_object(**there)
        with refused("AccessDenied"):
            client("s3", taken["Credentials"]).put_object(**there, Body=b"other")
    with checks.check("what is no policy, or too large, is refused"):
        with refused("MalformedPolicyDocument"):
            account.take(Policy='{"Version": "2012-10-17"}')
        with refused("PackedPolicyTooLarge"):
            account.take(Tags=[{"Key": f"k{index}", "Value": "v" * 256} for index in range(50)])
    with checks.check("tags of a session are the principal's"):
        condition = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
        policy = document(allow("s3:GetObject") | {"Condition": condition})
        for team, code in [("blue", None), ("red", "AccessDenied")]:
            taken = account.take(Policy=policy, Tags=[{"Key": "team", "Value": team}])
            with refused(code) if code else contextlib.nullcontext():
                client("s3", taken["Credentials"]).get_object(**there)


def tokens(checks, account):
    there = {"Bucket": BUCKET, "Key": "there"}
    with checks.check("a session of one's own"):
        own = aws("sts", "get-session-token", credentials=account.alice)["Credentials"]
        put_and_get(client("s3", own))
        assert aws("sts", "get-caller-identity", credentials=own)["Arn"].endswith(":user/sts-alice")
        with refused("AccessDenied"):
            client("sts", own).get_session_token()
        with refused("AccessDenied"):
            client("iam", own).list_users()
    with checks.check("tokens that are missing, altered, of another key, or not needed"):
        one, other = account.take()["Credentials"], account.take()["Credentials"]
        for changed, code in [
            ({"SessionToken": None}, "InvalidAccessKeyId"),
            ({"SessionToken": "A" + one["SessionToken"][1:]}, "InvalidToken"),
            ({"SessionToken": other["SessionToken"]}, "InvalidToken"),
            ({"SecretAccessKey": other["SecretAccessKey"]}, "SignatureDoesNotMatch"),
        ]:
            with refused(code):
                client("s3", one | changed).get_object(**there)
        with refused("InvalidToken"):
            client("s3", account.alice | {"SessionToken": one["SessionToken"]}).get_object(**there)
        with refused("InvalidClientTokenId"):
            client("sts", one | {"SessionToken": other["SessionToken"]}).get_caller_identity()
    with checks.check("sessions end with their role"):
        alice = trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/sts-alice"})
        account.role("sts-brief", alice)
        time.sleep(DIRECTORY_SECONDS)
        s3 = client("s3", account.take("sts-brief")["Credentials"])
        s3.get_object(**there)
        account.iam.delete_role_policy(RoleName="sts-brief", PolicyName="s3")
        account.iam.delete_role(RoleName="sts-brief")
        account.role("sts-brief", alice)
        time.sleep(DIRECTORY_SECONDS)
        with refused("InvalidAccessKeyId"):
            s3.get_object(**there)


def web_identities(checks, account):
    issuer = account.issuer
    sts = boto3.client(
        "sts", endpoint_url=ENDPOINT, region_name=REGION, config=Config(signature_version=UNSIGNED)
    )

    def take(token):
        return sts.assume_role_with_web_identity(
            RoleArn=role_arn("sts-web"), RoleSessionName="run-7", WebIdentityToken=token
        )

    with checks.check("a web identity takes a role and uses it on S3"):
        for algorithm, key in [("RS256", "rsa"), ("PS256", "rsa"), ("ES256", "ec"), ("ES384", "ec384")]:
            taken = take(issuer.token(algorithm, key))
            assert taken["SubjectFromWebIdentityToken"] == "repo:weir:main", taken
            assert (taken["Audience"], taken["Provider"]) == ("app", issuer.url), taken
            put_and_get(client("s3", taken["Credentials"]))
    with checks.check("awscli takes it by the token in a file"):
        token = SCRATCH / "token"
        token.write_text(issuer.token())
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
            "AWS_ROLE_ARN": role_arn("sts-web"),
            "AWS_ENDPOINT_URL_STS": ENDPOINT,
            "AWS_CONFIG_FILE": str(SCRATCH / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(SCRATCH / "none"),
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        words = ("s3api", "head-object", "--bucket", BUCKET, "--key", "there")
        run(AWS, "--endpoint-url", ENDPOINT + BASE_PATH, *words, env=environment)
    with checks.check("tokens that are forged, expired, for others or of others"):
        past = int(time.time()) - 3600
        for code, token in [
            ("InvalidIdentityToken", issuer.token("none")),
            ("InvalidIdentityToken", issuer.token("HS256")),
            ("InvalidIdentityToken", issuer.token("ES256", "rsa")),
            ("InvalidIdentityToken", issuer.token(aud="other-app")),
            ("InvalidIdentityToken", issuer.token(iss="https://stranger.example.com")),
            ("ExpiredTokenException", issuer.token(iat=past, exp=past + 60)),
            ("InvalidIdentityToken", issuer.token(nbf=int(time.time()) + 600)),
            ("AccessDenied", issuer.token(sub="repo:other:main")),
        ]:
            with refused(code):
                take(token)


def main():
    checks = Checks("sts")
    SCRATCH.mkdir(parents=True, exist_ok=True)
    issuer = Issuer()
    try:
        account = None
        with checks.check("users, roles and an issuer"):
            account = Account(issuer)
        if account:
            for part in (identities, roles, bounds, tokens, web_identities):
                part(checks, account)
    finally:
        issuer.end()
    sys.exit(0 if checks.done() else 1)


if __name__ == "__main__":
    main()
