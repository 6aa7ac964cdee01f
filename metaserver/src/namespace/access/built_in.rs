//! The managed policies that are part of the system, with AWS's names and what of AWS's documents means something here.
//! Their ARNs are `arn:aws:iam::aws:policy/NAME`. They can be attached, and not changed.
//! <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html>

use weir_proto::v1::{ManagedPolicy, PolicyVersion};

struct BuiltIn {
    name: &'static str,
    id: &'static str,
    description: &'static str,
    document: &'static str,
}

const POLICIES: [BuiltIn; 5] = [
    BuiltIn {
        name: "AdministratorAccess",
        id: "ANPABUILTINADMINISTRA",
        description: "Everything.",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    },
    BuiltIn {
        name: "AmazonS3FullAccess",
        id: "ANPABUILTINSFULLACCES",
        description: "All of S3.",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","s3-object-lambda:*"],"Resource":"*"}]}"#,
    },
    BuiltIn {
        name: "AmazonS3ReadOnlyAccess",
        id: "ANPABUILTINSREADONLYA",
        description: "All of S3 that changes nothing.",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}]}"#,
    },
    BuiltIn {
        name: "IAMFullAccess",
        id: "ANPABUILTINIAMFULLACC",
        description: "All of IAM.",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]}"#,
    },
    BuiltIn {
        name: "IAMReadOnlyAccess",
        id: "ANPABUILTINIAMREADONL",
        description: "All of IAM that changes nothing.",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GenerateCredentialReport","iam:GenerateServiceLastAccessedDetails","iam:Get*","iam:List*","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy"],"Resource":"*"}]}"#,
    },
];

/// When AWS made the first of them: 2015-02-06T18:39:46Z.
const CREATED_MS: i64 = 1_423_247_986_000;

pub(super) fn policies() -> Vec<ManagedPolicy> {
    let policy = |built_in: &BuiltIn| ManagedPolicy {
        name: built_in.name.into(),
        path: "/".into(),
        id: built_in.id.into(),
        description: built_in.description.into(),
        created_ms: CREATED_MS,
        updated_ms: CREATED_MS,
        versions: vec![PolicyVersion { number: 1, document: built_in.document.into(), created_ms: CREATED_MS }],
        default_version: 1,
        built_in: true,
        last_version: 1,
    };
    POLICIES.iter().map(policy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::access::validate;
    use std::collections::BTreeSet;

    #[test]
    fn they_obey_the_rules_for_policies() {
        let policies = policies();
        for policy in &policies {
            validate::long_name("name", &policy.name).unwrap();
            validate::policy_document(&policy.versions[0].document).unwrap();
            assert_eq!(policy.id.len(), 21, "{}", policy.id);
            assert!(policy.id.bytes().all(|byte| byte.is_ascii_uppercase()), "{}", policy.id);
        }
        let ids: BTreeSet<_> = policies.iter().map(|policy| &policy.id).collect();
        assert_eq!(ids.len(), policies.len());
    }
}
