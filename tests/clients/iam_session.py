"""awscli's `aws iam` through one session: every command that is served, with what it must answer, and what the service
refuses. It leaves nothing behind. A user's own key must be allowed what its policies say, and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

from session import ENDPOINT, KEYS, KEYS_ARE_CHECKED, REGION, WORK, Checks, finish

AWS = Path(sys.executable).parent / "aws"
ACCOUNT = "arn:aws:iam::000000000000"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
READ = f"{ACCOUNT}:policy/team/WeirRead"
ISSUER = f"{ACCOUNT}:oidc-provider/issuer.example/tenant"
THUMBPRINT = "0123456789abcdef0123456789abcdef01234567"


def allow(*actions):
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}],
}
FIRST, SECOND, THIRD = allow("s3:GetObject"), allow("s3:Get*", "s3:List*"), allow("s3:ListBucket")


def words_of(options):
    """`user_name="alice"` is `--user-name alice`; what is no text goes as JSON, and True and False are switches."""
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            yield option if value else option.replace("--", "--no-", 1)
        else:
            yield from (option, value if isinstance(value, str) else json.dumps(value))


class Iam:
    """`iam("get-user", user_name="alice")` is `aws iam get-user --user-name alice`, and gives its answer."""

    def __init__(self, access_key, secret_key):
        self.environment = os.environ | dict(
            AWS_ACCESS_KEY_ID=access_key,
            AWS_SECRET_ACCESS_KEY=secret_key,
            AWS_DEFAULT_REGION=REGION,
            AWS_CONFIG_FILE=str(WORK / "none"),
            AWS_SHARED_CREDENTIALS_FILE=str(WORK / "none"),
            AWS_EC2_METADATA_DISABLED="true",
            AWS_MAX_ATTEMPTS="1",
        )

    def run(self, command, options):
        words = [AWS, "--endpoint-url", ENDPOINT, "--output", "json", "iam", command, *words_of(options)]
        return subprocess.run(list(map(str, words)), capture_output=True, timeout=120, env=self.environment)

    def __call__(self, command, **options):
        done = self.run(command, options)
        assert done.returncode == 0, f"{command} {options}: {done.stderr.decode(errors='replace')}"
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def refused(self, code, command, **options):
        done = self.run(command, options)
        said = done.stderr.decode(errors="replace")
        assert done.returncode != 0, f"{command} {options} was not refused"
        assert f"({code})" in said, f"{command} {options}: not {code}: {said}"


def names(answer, items, name):
    return [item[name] for item in answer[items]]


def equal(actual, expected):
    assert actual == expected, f"{actual} is not {expected}"


def users(iam):
    made = iam("create-user", user_name="alice", path="/staff/", tags=[{"Key": "team", "Value": "blue"}])["User"]
    equal((made["UserName"], made["Path"], made["Arn"]), ("alice", "/staff/", f"{ACCOUNT}:user/staff/alice"))
    assert made["UserId"].startswith("AIDA") and len(made["UserId"]) == 21, made["UserId"]
    equal(made["Tags"], [{"Key": "team", "Value": "blue"}])
    iam("create-user", user_name="bob")
    iam.refused("EntityAlreadyExists", "create-user", user_name="Alice")
    iam.refused("ValidationError", "create-user", user_name="a/b")
    equal(iam("get-user", user_name="alice")["User"], made)
    equal(iam("get-user")["User"]["Arn"], f"{ACCOUNT}:root")
    iam.refused("NoSuchEntity", "get-user", user_name="nobody")
    iam("update-user", user_name="bob", new_user_name="robert", new_path="/guests/")
    iam.refused("NoSuchEntity", "get-user", user_name="bob")
    equal(names(iam("list-users"), "Users", "UserName"), ["alice", "robert"])
    equal(names(iam("list-users", path_prefix="/guests/"), "Users", "UserName"), ["robert"])
    # The tool asks for page after page.
    equal(names(iam("list-users", page_size="1"), "Users", "UserName"), ["alice", "robert"])
    page = iam("list-users", max_items="1")
    equal(names(page, "Users", "UserName"), ["alice"])
    page = iam("list-users", max_items="1", starting_token=page["NextToken"])
    equal(names(page, "Users", "UserName"), ["robert"])


def user_tags(iam):
    iam("tag-user", user_name="alice", tags=[{"Key": "cost", "Value": ""}, {"Key": "Team", "Value": "red"}])
    tags = [{"Key": "cost", "Value": ""}, {"Key": "team", "Value": "red"}]
    equal(iam("list-user-tags", user_name="alice")["Tags"], tags)
    iam("untag-user", user_name="alice", tag_keys=["cost"])
    equal(iam("get-user", user_name="alice")["User"]["Tags"], tags[1:])


def access_keys(iam):
    key = iam("create-access-key", user_name="alice")["AccessKey"]
    equal((key["UserName"], key["Status"], len(key["SecretAccessKey"])), ("alice", "Active", 40))
    assert key["AccessKeyId"].startswith("AKIA") and len(key["AccessKeyId"]) == 20, key["AccessKeyId"]
    other = iam("create-access-key", user_name="alice")["AccessKey"]["AccessKeyId"]
    iam.refused("LimitExceeded", "create-access-key", user_name="alice")
    iam("update-access-key", user_name="alice", access_key_id=other, status="Inactive")
    listed = iam("list-access-keys", user_name="alice")["AccessKeyMetadata"]
    states = {item["AccessKeyId"]: item["Status"] for item in listed}
    equal(states, {key["AccessKeyId"]: "Active", other: "Inactive"})
    assert all("SecretAccessKey" not in item for item in listed), "a secret is shown again"
    used = iam("get-access-key-last-used", access_key_id=other)
    equal((used["UserName"], used["AccessKeyLastUsed"]), ("alice", {"ServiceName": "N/A", "Region": "N/A"}))
    iam.refused("NoSuchEntity", "delete-access-key", user_name="robert", access_key_id=other)
    iam("delete-access-key", user_name="alice", access_key_id=other)
    equal(names(iam("list-access-keys", user_name="alice"), "AccessKeyMetadata", "AccessKeyId"), [key["AccessKeyId"]])
    return key


def groups(iam):
    made = iam("create-group", group_name="readers")["Group"]
    equal((made["Path"], made["Arn"]), ("/", f"{ACCOUNT}:group/readers"))
    for user in ("alice", "robert"):
        iam("add-user-to-group", group_name="readers", user_name=user)
    iam("remove-user-from-group", group_name="readers", user_name="robert")
    iam("update-group", group_name="readers", new_group_name="watchers", new_path="/staff/")
    group = iam("get-group", group_name="watchers")
    equal((group["Group"]["GroupId"], names(group, "Users", "UserName")), (made["GroupId"], ["alice"]))
    iam.refused("NoSuchEntity", "get-group", group_name="readers")
    equal(names(iam("list-groups-for-user", user_name="alice"), "Groups", "GroupName"), ["watchers"])
    equal(names(iam("list-groups"), "Groups", "GroupName"), ["watchers"])
    iam.refused("DeleteConflict", "delete-group", group_name="watchers")


def managed_policies(iam):
    create = {"policy_name": "WeirRead", "path": "/team/", "policy_document": FIRST, "description": "Reads"}
    made = iam("create-policy", **create)["Policy"]
    equal((made["Arn"], made["DefaultVersionId"], made["AttachmentCount"]), (READ, "v1", 0))
    iam.refused("EntityAlreadyExists", "create-policy", **create)
    iam.refused("MalformedPolicyDocument", "create-policy", policy_name="Broken", policy_document="{")
    version = iam("create-policy-version", policy_arn=READ, policy_document=SECOND, set_as_default=True)
    equal((version["PolicyVersion"]["VersionId"], version["PolicyVersion"]["IsDefaultVersion"]), ("v2", True))
    iam("create-policy-version", policy_arn=READ, policy_document=THIRD)
    equal(names(iam("list-policy-versions", policy_arn=READ), "Versions", "VersionId"), ["v3", "v2", "v1"])
    for number, document in (("v1", FIRST), ("v2", SECOND), ("v3", THIRD)):
        got = iam("get-policy-version", policy_arn=READ, version_id=number)["PolicyVersion"]
        equal((got["Document"], got["IsDefaultVersion"]), (document, number == "v2"))
    iam.refused("DeleteConflict", "delete-policy-version", policy_arn=READ, version_id="v2")
    iam("set-default-policy-version", policy_arn=READ, version_id="v3")
    iam("delete-policy-version", policy_arn=READ, version_id="v2")
    iam.refused("NoSuchEntity", "get-policy-version", policy_arn=READ, version_id="v2")
    policy = iam("get-policy", policy_arn=READ)["Policy"]
    equal((policy["DefaultVersionId"], policy["Description"]), ("v3", "Reads"))
    equal(names(iam("list-policies", scope="Local"), "Policies", "Arn"), [READ])
    assert ADMINISTRATOR in names(iam("list-policies", scope="AWS"), "Policies", "Arn")
    iam.refused("NoSuchEntity", "get-policy", policy_arn=f"{ACCOUNT}:policy/WeirRead")
    iam.refused("AccessDenied", "delete-policy", policy_arn=ADMINISTRATOR)


def roles(iam):
    tags = [{"Key": "team", "Value": "blue"}]
    made = iam(
        "create-role",
        role_name="reader",
        path="/app/",
        description="Reads",
        assume_role_policy_document=TRUST,
        max_session_duration="7200",
        tags=tags,
    )["Role"]
    equal((made["Arn"], made["AssumeRolePolicyDocument"]), (f"{ACCOUNT}:role/app/reader", TRUST))
    equal((made["MaxSessionDuration"], made["Tags"]), (7200, tags))
    iam("update-role", role_name="reader", max_session_duration="3600")
    equal(iam("update-role-description", role_name="reader", description="Looks")["Role"]["Description"], "Looks")
    trust = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Sid": "One"}]}
    iam("update-assume-role-policy", role_name="reader", policy_document=trust)
    iam("tag-role", role_name="reader", tags=[{"Key": "env", "Value": "test"}])
    iam("untag-role", role_name="reader", tag_keys=["team"])
    equal(iam("list-role-tags", role_name="reader")["Tags"], [{"Key": "env", "Value": "test"}])
    role = iam("get-role", role_name="reader")["Role"]
    equal((role["MaxSessionDuration"], role["AssumeRolePolicyDocument"]), (3600, trust))
    equal(names(iam("list-roles", path_prefix="/app"), "Roles", "RoleName"), ["reader"])


# A kind of holder, how its commands name it, and one of its kind.
HOLDERS = [("user", "alice"), ("group", "watchers"), ("role", "reader")]


def given_policies(iam):
    for kind, name in HOLDERS:
        holder = {f"{kind}_name": name}
        iam(f"put-{kind}-policy", **holder, policy_name="own", policy_document=FIRST)
        got = iam(f"get-{kind}-policy", **holder, policy_name="own")
        equal((got["PolicyDocument"], got[f"{kind.title()}Name"]), (FIRST, name))
        equal(iam(f"list-{kind}-policies", **holder)["PolicyNames"], ["own"])
        iam.refused("NoSuchEntity", f"get-{kind}-policy", **holder, policy_name="other")
        iam(f"attach-{kind}-policy", **holder, policy_arn=READ)
        attached = iam(f"list-attached-{kind}-policies", **holder)["AttachedPolicies"]
        equal(attached, [{"PolicyName": "WeirRead", "PolicyArn": READ}])
    for kind, name in (("user", "alice"), ("role", "reader")):
        iam(f"put-{kind}-permissions-boundary", **{f"{kind}_name": name}, permissions_boundary=ADMINISTRATOR)
        got = iam(f"get-{kind}", **{f"{kind}_name": name})[kind.title()]
        equal(got["PermissionsBoundary"]["PermissionsBoundaryArn"], ADMINISTRATOR)
    entities = iam("list-entities-for-policy", policy_arn=READ)
    equal(names(entities, "PolicyUsers", "UserName"), ["alice"])
    equal(names(entities, "PolicyGroups", "GroupName"), ["watchers"])
    equal(names(entities, "PolicyRoles", "RoleName"), ["reader"])
    bounded = iam("list-entities-for-policy", policy_arn=ADMINISTRATOR, policy_usage_filter="PermissionsBoundary")
    equal((names(bounded, "PolicyUsers", "UserName"), bounded["PolicyGroups"]), (["alice"], []))
    equal(iam("get-policy", policy_arn=READ)["Policy"]["AttachmentCount"], 3)
    for kind, name in HOLDERS:
        iam.refused("DeleteConflict", f"delete-{kind}", **{f"{kind}_name": name})
    iam.refused("DeleteConflict", "delete-policy", policy_arn=READ)


def providers(iam):
    create = {"url": "https://issuer.example/tenant", "client_id_list": ["web"], "thumbprint_list": [THUMBPRINT]}
    equal(iam("create-open-id-connect-provider", **create)["OpenIDConnectProviderArn"], ISSUER)
    iam.refused("EntityAlreadyExists", "create-open-id-connect-provider", **create)
    named = {"open_id_connect_provider_arn": ISSUER}
    iam("add-client-id-to-open-id-connect-provider", **named, client_id="cli")
    iam("remove-client-id-from-open-id-connect-provider", **named, client_id="web")
    iam("update-open-id-connect-provider-thumbprint", **named, thumbprint_list=[THUMBPRINT[::-1]])
    got = iam("get-open-id-connect-provider", **named)
    equal((got["Url"], got["ClientIDList"]), ("issuer.example/tenant", ["cli"]))
    equal(got["ThumbprintList"], [THUMBPRINT[::-1]])
    equal(iam("list-open-id-connect-providers")["OpenIDConnectProviderList"], [{"Arn": ISSUER}])


def account(iam):
    summary = iam("get-account-summary")["SummaryMap"]
    equal([summary[key] for key in ("Users", "Groups", "Roles", "Policies", "Providers")], [2, 1, 1, 1, 1])
    details = iam("get-account-authorization-details")
    alice, robert = details["UserDetailList"]
    equal((alice["UserName"], alice["GroupList"]), ("alice", ["watchers"]))
    equal(alice["UserPolicyList"], [{"PolicyName": "own", "PolicyDocument": FIRST}])
    equal((robert["UserName"], robert["AttachedManagedPolicies"]), ("robert", []))
    versions = {policy["Arn"]: policy["PolicyVersionList"] for policy in details["Policies"]}
    equal([version["Document"] for version in versions[READ]], [THIRD, FIRST])
    only = iam("get-account-authorization-details", filter=["Role"], page_size="1")
    equal((names(only, "RoleDetailList", "RoleName"), only["UserDetailList"]), (["reader"], []))


def decisions(iam, key):
    """What alice may do by her own key, while her policies change."""
    alice = Iam(key["AccessKeyId"], key["SecretAccessKey"])
    alice.refused("AccessDenied", "get-user")
    own = {"user_name": "alice", "policy_name": "look"}
    iam("put-user-policy", **own, policy_document=allow("iam:GetUser", "iam:ListAccessKeys"))
    equal(alice("get-user")["User"]["UserName"], "alice")
    equal(names(alice("list-access-keys"), "AccessKeyMetadata", "AccessKeyId"), [key["AccessKeyId"]])
    alice.refused("AccessDenied", "create-user", user_name="mallory")
    alice.refused("AccessDenied", "attach-user-policy", user_name="alice", policy_arn=ADMINISTRATOR)
    # What her boundary does not have she may not do, whatever else says so.
    iam("put-user-permissions-boundary", user_name="alice", permissions_boundary=READ)
    alice.refused("AccessDenied", "get-user")
    iam("put-user-permissions-boundary", user_name="alice", permissions_boundary=ADMINISTRATOR)
    alice("get-user")
    iam("update-access-key", user_name="alice", access_key_id=key["AccessKeyId"], status="Inactive")
    alice.refused("InvalidClientTokenId", "get-user")
    Iam(key["AccessKeyId"], "of-another-key-and-as-long-as-any-other.").refused("InvalidClientTokenId", "get-user")
    Iam(KEYS.access, "of-another-key-and-as-long-as-any-other.").refused("SignatureDoesNotMatch", "get-user")
    iam("delete-user-policy", **own)


def removal(iam, key):
    iam("delete-user-permissions-boundary", user_name="alice")
    iam("delete-role-permissions-boundary", role_name="reader")
    iam("remove-user-from-group", group_name="watchers", user_name="alice")
    iam("delete-access-key", user_name="alice", access_key_id=key["AccessKeyId"])
    for kind, name in HOLDERS:
        holder = {f"{kind}_name": name}
        iam(f"detach-{kind}-policy", **holder, policy_arn=READ)
        iam.refused("NoSuchEntity", f"detach-{kind}-policy", **holder, policy_arn=READ)
        iam(f"delete-{kind}-policy", **holder, policy_name="own")
        iam(f"delete-{kind}", **holder)
        iam.refused("NoSuchEntity", f"delete-{kind}", **holder)
    iam("delete-user", user_name="robert")
    iam("delete-policy-version", policy_arn=READ, version_id="v1")
    iam("delete-policy", policy_arn=READ)
    iam("delete-open-id-connect-provider", open_id_connect_provider_arn=ISSUER)
    left = iam("get-account-authorization-details", filter=["User", "Group", "Role", "LocalManagedPolicy"])
    lists = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
    equal([left[name] for name in lists], [[], [], [], []])


def main():
    iam, checks = Iam(*KEYS), Checks("iam")
    key = {}
    with checks.check("users"):
        users(iam)
    with checks.check("tags of users"):
        user_tags(iam)
    with checks.check("access keys"):
        key = access_keys(iam)
    for what, steps in (
        ("groups", groups),
        ("managed policies", managed_policies),
        ("roles", roles),
        ("inline and attached policies, boundaries", given_policies),
        ("issuers", providers),
        ("the account", account),
    ):
        with checks.check(what):
            steps(iam)
    if KEYS_ARE_CHECKED:
        with checks.check("a user may do what its policies say"):
            decisions(iam, key)
    with checks.check("removal"):
        removal(iam, key)
    finish(checks.done())


if __name__ == "__main__":
    main()
