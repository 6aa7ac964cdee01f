//! Sessions with the shell: the built binary, against a metaserver and a worker in this process that serve the socket of
//! a standalone.

#[path = "shell/weir.rs"]
mod weir;

use bytes::Bytes;
use std::fs;
use std::path::Path;
use weir::{Cluster, Standalone, Weir, masked};

/// Whatever is printed, line by line, against a transcript.
#[test]
fn a_session_prints_what_scripts_for_such_shells_expect() {
    let weir = Weir::start();
    fs::write(weir.local("psmall"), vec![0; 100_000]).unwrap();
    fs::write(weir.local("ten"), vec![0; 10 << 20]).unwrap();
    for (command, expected) in weir::transcript(include_str!("shell/session.txt")) {
        let done = weir.line(&command);
        let printed = format!("{}[exit {}]\n", masked(&done.out), done.code);
        assert_eq!(printed, expected, "$ {command}\n{}", done.err);
    }
    assert_eq!(fs::metadata(weir.local("tolocal")).unwrap().len(), 100_000);
}

#[test]
fn bytes_come_out_as_they_went_in() {
    let weir = Weir::start();
    let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(|i| (i / 7).to_le_bytes()).take(3_000_001).collect();
    fs::write(weir.local("file"), &bytes).unwrap();
    weir.ok("fs mkdir /bytes");
    weir.ok("fs copyFromLocal file /bytes/file");
    weir.ok("fs cp /bytes/file file://back");
    assert!(fs::read(weir.local("back")).unwrap() == bytes);
    assert!(weir.ok("fs cat /bytes/file").raw == bytes);
    assert!(weir.ok("fs head /bytes/file").raw == bytes[..1024]);
    assert!(weir.ok("fs head -c 2KB /bytes/file").raw == bytes[..2048]);
    assert!(weir.ok("fs tail /bytes/file").raw == bytes[bytes.len() - 1024..]);
    assert!(weir.ok("fs tail -c 1 /bytes/file").raw == bytes[bytes.len() - 1..]);
    assert!(weir.ok("fs head -c 9MB /bytes/file").raw == bytes);
    assert!(weir.ok("fs tail -c 9MB /bytes/file").raw == bytes);
    assert!(weir.ok("fs head -c 0 /bytes/file").raw.is_empty());
    weir.ok("fs touch /bytes/none");
    assert!(weir.ok("fs tail /bytes/none").raw.is_empty());
    assert!(weir.ok("fs head /bytes/none").raw.is_empty());
    weir.ok("fs copyFromLocal file /bytes/file2");
    assert_eq!(weir.ok("fs cat /bytes/file*").raw.len(), 2 * bytes.len());
}

#[test]
fn a_folder_goes_in_and_comes_out_whole() {
    let weir = Weir::start();
    fs::create_dir_all(weir.local("tree/sub/deep")).unwrap();
    fs::create_dir_all(weir.local("tree/empty")).unwrap();
    for (name, size) in [("tree/a", 0), ("tree/sub/b", 20_000), ("tree/sub/deep/c", 300_000)] {
        fs::write(weir.local(name), vec![7; size]).unwrap();
    }
    weir.ok("fs mkdir /tree");
    let copied = weir.ok("fs copyFromLocal tree /tree/of/files");
    assert_eq!(
        copied.out,
        "Copied file://tree/a to /tree/of/files/a\n\
         Copied file://tree/sub/b to /tree/of/files/sub/b\n\
         Copied file://tree/sub/deep/c to /tree/of/files/sub/deep/c\n"
    );
    let again = weir.line("fs copyFromLocal tree /tree/of/files");
    assert_eq!((again.code, again.out.matches("already exists").count()), (255, 3));
    assert!(weir.ok("fs count /tree").out.contains("\n3                        5                        320000"));
    weir.ok("fs copyToLocal /tree/of/files back");
    assert_eq!(fs::read(weir.local("back/sub/deep/c")).unwrap(), vec![7; 300_000]);
    assert!(weir.local("back/empty").is_dir());
    assert_eq!(weir.line("fs copyToLocal /tree/of/files/a back/sub").code, 0);
    assert!(weir.local("back/sub/a").is_file());
    assert_eq!(weir.line("fs copyFromLocal nowhere /tree/x").out, "Local path nowhere does not exist.\n");
}

#[test]
fn a_key_that_leads_out_of_the_folder_is_not_copied() {
    let weir = Weir::start();
    weir.ok("fs mkdir /bad");
    for key in ["d/../../escaped", "d//double", "d/.", "d/good"] {
        weir.put("bad", key, b"x");
    }
    let copied = weir.line("fs copyToLocal /bad/d to");
    assert_eq!(copied.code, 255);
    assert_eq!(copied.out.matches("is not copied: no local file can be called").count(), 3, "{}", copied.out);
    assert!(weir.local("to/good").is_file());
    assert!(!weir.local("escaped").exists() && !weir.local("../escaped").exists());
}

#[test]
fn any_key_is_a_path() {
    let weir = Weir::start();
    weir.ok("fs mkdir /keys");
    let keys: [&[u8]; 9] =
        [b"a", b"a/b", b"a//b", b"../up", b"sp ace +%?*", "été☃".as_bytes(), b"/lead", b"tab\t\x1b[31m", b"\xff"];
    for key in keys {
        weir.put("keys", Bytes::copy_from_slice(key), b"content");
        let path = [b"/keys/", key].concat();
        assert_eq!(weir.words(&[b"fs", b"cat", &path]).out, "content", "{key:?}");
        assert_eq!(weir.words(&[b"fs", b"test", b"-f", &path]).code, 0, "{key:?}");
    }
    let paths = |listed: &str| -> Vec<String> {
        // What follows the column of percents and DIR.
        listed.lines().map(|line| line.split_once("% ").or(line.split_once("DIR ")).unwrap().1.to_owned()).collect()
    };
    assert_eq!(
        paths(&weir.ok("fs ls -R /keys").out),
        [
            "/keys/..",
            "/keys/../up",
            "/keys//",
            "/keys//lead",
            "/keys/a",
            "/keys/a",
            "/keys/a//",
            "/keys/a//b",
            "/keys/a/b",
            "/keys/sp ace +%?*",
            "/keys/tab\\x09\\x1b[31m",
            "/keys/été☃",
            "/keys/\u{fffd}"
        ]
    );
    assert_eq!(weir.line("fs test -f /keys/a").code, 0);
    assert_eq!(weir.line("fs test -d /keys/a").code, 0);
    assert_eq!(weir.line("fs test -f /keys/a/").code, 1);
    assert_eq!(paths(&weir.ok("fs ls /keys/a").out), ["/keys/a"]);
    assert_eq!(paths(&weir.ok("fs ls /keys/a/").out), ["/keys/a//", "/keys/a/b"]);
    weir.ok("fs rm /keys/a");
    assert_eq!(paths(&weir.ok("fs ls /keys/a").out), ["/keys/a//", "/keys/a/b"]);
    weir.ok("fs rm -R /keys");
}

#[test]
fn thousands_of_keys_are_listed_counted_moved_and_removed() {
    let weir = Weir::start();
    weir.ok("fs mkdir /many");
    weir.put_many("many", (0..2_200).map(|i| format!("d{}/k{i:05}", i % 2)));
    weir.put_many("many", (0..1_050).map(|i| format!("e{i:04}/x")));
    let counted = |path: &str| -> Vec<u64> {
        let out = weir.ok(&format!("fs count {path}")).out;
        out.lines().nth(1).unwrap().split_whitespace().map(|number| number.parse().unwrap()).collect()
    };
    let listed = weir.ok("fs ls /many");
    assert_eq!(listed.out.lines().count(), 2 + 1_050);
    assert_eq!(listed.out.split_whitespace().nth(3), Some("1100"), "the children of d0");
    assert_eq!(weir.ok("fs ls -R /many").out.lines().count(), 2_200 + 2 + 2 * 1_050);
    assert_eq!(weir.ok("fs ls /many/d*").out.lines().count(), 2_200);
    assert_eq!(weir.ok("fs ls -d /many/e*9").out.lines().count(), 105);
    assert_eq!(counted("/many"), [3_250, 1_052, 0]);
    weir.ok("fs mv /many/d1 /many/moved/here");
    assert_eq!(weir.line("fs test -e /many/d1").code, 3);
    assert_eq!(counted("/many/moved"), [1_100, 1, 0]);
    assert_eq!(weir.ok("fs cp -R /many/d0 /many/copied").out.lines().count(), 1 + 1_100);
    let inside = weir.line("fs mv /many /many/deeper");
    assert_eq!(inside.out, "Cannot rename because /many is a prefix of /many/deeper\n");
    assert_eq!(weir.ok("fs rm -R /many/e*").out.lines().count(), 1_050);
    weir.ok("fs rm -R /many/d0 /many/copied");
    weir.ok("fs mv /many /more");
    assert_eq!(weir.line("fs test -e /many").code, 3);
    assert_eq!(counted("/more"), [1_100, 2, 0]);
    weir.ok("fs rm -R /more");
    assert_eq!(weir.ok("fs ls /").out, "");
}

#[test]
fn the_md5_of_an_object_in_parts_is_that_of_its_bytes() {
    let weir = Weir::start();
    weir.ok("fs mkdir /parts");
    weir.put_parts("parts", "whole", &[vec![1; 5 << 20], vec![2; 10]]);
    fs::write(weir.local("whole"), [vec![1; 5 << 20], vec![2; 10]].concat()).unwrap();
    weir.ok("fs copyFromLocal whole /parts/single");
    let single = weir.ok("fs checksum /parts/single").out;
    assert_eq!(weir.ok("fs checksum /parts/whole").out, single);
    assert!(weir.ok("fs stat /parts/whole").out.contains("partCount=2"));
    assert_eq!(weir.ok("fs stat -f %b /parts/whole").out, "2\n");
}

#[test]
fn operators_see_the_cluster_and_its_blocks() {
    let weir = Weir::start();
    fs::write(weir.local("file"), vec![0; 100_000]).unwrap();
    weir.ok("fs mkdir /ops");
    weir.ok("fs copyFromLocal file /ops/file");
    let summary = weir.ok("fsadmin report").out;
    for line in
        ["Weir cluster summary: ", "    Live Workers: 1", "    Lost Workers: 0", "    Buckets: 1", "    Objects: 1"]
    {
        assert!(summary.lines().any(|said| said == line), "{line}\n{summary}");
    }
    assert!(weir.ok("fsadmin report capacity").out.contains("127.0.0.1:29999"));
    assert!(weir.ok("fsadmin report gateway").out.starts_with("0 gateways in the cluster, 0 serving and 0 lost\n"));
    assert!(weir.ok("fsadmin report metrics").out.contains("buckets"));
    let wrong = weir.line("fsadmin report weather");
    assert_eq!((wrong.code, wrong.out.lines().next()), (255, Some("weather is not a category of report")));

    let stat = weir.ok("fs stat /ops/file").out;
    let id = stat.split_once("BlockInfo{id=").unwrap().1.split_once(',').unwrap().0;
    let info = weir.ok(&format!("fsadmin getBlockInfo {id}")).out;
    assert!(
        info.starts_with(&format!("BlockInfo{{id={id}, length=100000, locations=[BlockLocation{{workerId=")),
        "{info}"
    );
    assert!(info.contains("This block belongs to file {path=/ops/file}\n"), "{info}");
    assert_eq!(weir.line("fsadmin getBlockInfo 999999999").out, "Block 999999999 does not exist.\n");
}

const READERS: &str = r#"{
	"Version": "2012-10-17",
	"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
}
"#;
const TRUST: &str = r#"{
	"Statement": {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}
}
"#;

#[test]
fn an_operator_manages_users_and_what_they_may_do() {
    let weir = Weir::start();
    fs::write(weir.local("readers.json"), READERS).unwrap();
    fs::write(weir.local("trust.json"), TRUST).unwrap();
    fs::write(weir.local("nobody.json"), TRUST.replace("000000000000", "arn:aws:iam::000000000000:user/nobody"))
        .unwrap();
    fs::write(weir.local("broken.json"), "{").unwrap();
    for (command, expected) in weir::transcript(include_str!("shell/access.txt")) {
        let done = weir.line(&command);
        let printed = format!("{}[exit {}]\n", done.out, done.code);
        assert_eq!(printed, expected, "$ {command}\n{}", done.err);
    }
}

#[test]
fn a_secret_is_shown_once_and_a_key_is_switched_off_and_removed() {
    let weir = Weir::start();
    weir.ok("fsadmin user add alice");
    let added = weir.ok("fsadmin key add alice").out;
    let field = |name: &str| added.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    let (id, secret) = (field("Access Key : "), field("Secret Key : "));
    assert!(id.starts_with("AKIA") && id.len() == 20 && secret.len() == 40, "{added}");
    fs::write(weir.local("secret"), "hush-hush!\n").unwrap();
    let given = weir.ok("fsadmin key add alice --access-key operators-own --secret-key-file secret").out;
    assert_eq!(given, "Access Key : operators-own\nIts secret is the one in the file\n");
    let third = weir.line("fsadmin key add alice");
    assert_eq!((third.code, third.out.contains("at most 2 access keys a user")), (255, true), "{}", third.out);
    let half = weir.line("fsadmin key add alice --access-key x");
    assert_eq!((half.code, half.out.contains("Usage: key add")), (255, true), "{}", half.out);
    weir.ok(&format!("fsadmin key disable {id}"));
    let shown = weir.ok("fsadmin user show alice").out;
    assert!(shown.contains(&format!("Access key      : {id} (disabled)\n")), "{shown}");
    assert!(shown.contains("Access key      : operators-own (active)\n"), "{shown}");
    weir.ok(&format!("fsadmin key enable {id}"));
    let listed = weir.ok("fsadmin key ls alice").out;
    assert_eq!((listed.matches(" active ").count(), listed.contains(&secret)), (2, false), "{listed}");
    assert_eq!(weir.ok("fsadmin key ls bob").out, "");
    weir.ok(&format!("fsadmin key rm {id}"));
    assert_eq!(weir.line(&format!("fsadmin key rm {id}")).out, format!("{id}: there is no such access key\n"));
}

#[test]
fn an_operator_says_how_many_copies_a_bucket_wants() {
    let weir = Weir::start();
    weir.ok("fs mkdir /photos");
    let shown = |replication: &str| format!("Bucket          : photos\nReplication     : {replication}\n");
    assert_eq!(weir.ok("fsadmin bucket show photos").out, shown("of the cluster"));
    assert_eq!(
        weir.ok("fsadmin bucket set photos --replication 2").out,
        "Bucket photos has replication 2\nFor now only 1 worker takes new blocks, of the 2 that its blocks are for: writes \
         that need blocks are refused until there are 2\n"
    );
    assert_eq!(weir.ok("fsadmin bucket show photos").out, shown("2"));
    fs::write(weir.local("file"), vec![3; 200_000]).unwrap();
    let refused = weir.line("fs copyFromLocal file /photos/file");
    assert_eq!((refused.code, refused.out.contains("2 live workers are needed")), (255, true), "{}", refused.out);
    let coded = weir.ok("fsadmin bucket set photos --coding 4+2").out;
    assert!(coded.starts_with("Bucket photos has coding 4+2\nFor now only 1 worker takes"), "{coded}");
    let coded = "Bucket          : photos\nCoding          : 4+2\n";
    assert_eq!(weir.ok("fsadmin bucket show photos").out, coded);
    let back = weir.ok("fsadmin bucket set photos --replication 0").out;
    assert_eq!(back, "Bucket photos has replication of the cluster\n");
    weir.ok("fs copyFromLocal file /photos/file");
    assert_eq!(weir.ok("fsadmin bucket show photos").out, shown("of the cluster"));
    for wrong in [
        "set photos --replication 17",
        "set photos --coding 4",
        "set photos --coding 17+2",
        "set photos --coding 4+2 --replication 2",
        "set nowhere --replication 1",
        "show nowhere",
        "set photos",
    ] {
        assert_eq!(weir.line(&format!("fsadmin bucket {wrong}")).code, 255, "{wrong}");
    }
}

#[test]
fn a_standalone_keeps_its_users_and_a_secret_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let standalone = Standalone::start(folder.path());
    standalone.ok("fsadmin user add alice");
    standalone.ok("fsadmin key add alice");
    let keys = standalone.ok("fsadmin key ls").out;
    drop(standalone);
    let secret = fs::read(folder.path().join("cluster-secret")).unwrap();
    let standalone = Standalone::start(folder.path());
    assert_eq!(standalone.ok("fsadmin key ls").out, keys);
    assert_eq!(fs::read(folder.path().join("cluster-secret")).unwrap(), secret);
}

#[test]
fn a_backup_restores_the_namespace_and_nothing_is_deleted_before_it_is_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let (data, again) = (folder.path().join("data"), folder.path().join("again"));
    let standalone = Standalone::start(&data);
    standalone.ok("fs mkdir /kept/dir");
    standalone.ok("fs touch /kept/object");
    standalone.ok("fsadmin user add alice");
    standalone.ok("fsadmin key add alice");
    let listed = standalone.ok("fs ls -R /").out;
    let backup = standalone.ok("fsadmin backup").out;
    let field = |name: &str| backup.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    let file = field("Backup File        : ");
    assert!(file.starts_with(&data.join("backups").display().to_string()), "{backup}");
    assert!(field("Backup Entry Count : ").parse::<u64>().unwrap() > 0);
    standalone.ok("fs touch /kept/later");
    drop(standalone);

    let restore = |to: &Path| weir::run(to, &["fsadmin", "restore", &file].map(str::as_bytes));
    let refused = restore(&data);
    assert_eq!(refused.code, 255, "there is something in its folder: {}", refused.out);
    fs::create_dir(&again).unwrap();
    let restored = restore(&again);
    assert_eq!(restored.code, 0, "{}", restored.out);
    assert!(restored.out.contains("Restored Access Keys : 1\n"), "{}", restored.out);
    assert!(restored.out.contains("put the file cluster-secret back"), "{}", restored.out);
    let with_secret = folder.path().join("with-secret");
    fs::create_dir(&with_secret).unwrap();
    fs::copy(data.join("cluster-secret"), with_secret.join("cluster-secret")).unwrap();
    let opens = restore(&with_secret).out;
    assert!(opens.contains("The secrets of the access keys open with "), "{opens}");
    let standalone = Standalone::start(&again);
    assert_eq!(standalone.ok("fs ls -R /").out, listed);
    let waits =
        |standalone: &Standalone| standalone.ok("fsadmin report").out.contains("Awaiting Restore Confirmation: true");
    assert!(waits(&standalone));
    standalone.ok("fsadmin confirmRestore");
    assert!(!waits(&standalone));
}

#[test]
fn a_cluster_is_reached_by_its_metaserver_and_its_secret() {
    let cluster = Cluster::start();
    fs::write(cluster.local("file"), vec![3; 200_000]).unwrap();
    cluster.ok("fs mkdir /far");
    cluster.ok("fs copyFromLocal file /far/file");
    cluster.ok("fs mv /far/file /far/moved");
    assert!(cluster.ok("fs cat /far/moved").raw == vec![3; 200_000]);
    let refused = cluster.line("fs ls /", "a secret that someone has made up");
    assert_eq!((refused.code, refused.out.contains("/far")), (255, false), "{}", refused.out);
    let backup = cluster.line("fsadmin backup", "a secret that someone has made up");
    assert!(backup.out.starts_with("Name an absolute path"), "{}", backup.out);
}

#[test]
fn where_nothing_listens_the_shell_says_so_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let done = weir::run(folder.path(), &["fs", "ls", "/"].map(str::as_bytes));
    assert_eq!(done.code, 255);
    assert!(done.out.starts_with("Weir does not answer at "), "{}", done.out);
    assert!(done.out.contains("weir standalone"), "{}", done.out);
    let words = ["fs", "--metaserver", "127.0.0.1:1", "ls", "/"].map(str::as_bytes);
    let done = weir::run(folder.path(), &words);
    assert!(done.out.contains("cluster_secret"), "{}", done.out);
    assert_eq!(done.code, 255);
}
