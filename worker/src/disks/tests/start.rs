use super::*;
use weir_proto::WorkerId;

fn registered(worker_id: u64) -> Identity {
    Identity { worker_id: WorkerId(worker_id), cluster_id: "c-1".into(), epoch: 1 }
}

/// A machine whose worker had these folders, and blocks in each.
async fn used(folders: &[&str]) -> Machine {
    let machine = Machine::default();
    let disks = open(&machine, folders);
    disks.save_identity(&registered(7)).unwrap();
    for id in 1..=40 {
        put(&disks, id, 1000).await;
    }
    assert!(each(&disks).iter().all(|ids| !ids.is_empty()));
    machine
}

fn refusal(machine: &Machine, settings: &WorkerSettings) -> WorkerError {
    try_open(machine, settings).map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn blocks_are_found_again_wherever_their_disks_are_mounted() {
    let mut machine = used(&["/a", "/b"]).await;
    let disks = open(&machine, &["/b", "/a"]);
    assert_eq!(ids(&disks), (1..=40).collect::<Vec<u64>>());
    assert_eq!(*disks.identity(), registered(7));
    (1..=40).for_each(|id| assert_whole(&disks, id, 1000));
    drop(disks);
    machine = used(&["/a"]).await;
    let disks = open(&machine, &["/a", "/c"]);
    assert_eq!(each(&disks)[1], Vec::<u64>::new(), "a new disk may be added");
    put(&disks, 41, 10).await;
    drop(disks);
    assert_eq!(Identity::load(&machine, Path::new("/c")).unwrap(), registered(7));
}

#[tokio::test]
async fn an_empty_folder_in_place_of_a_disk_that_was_known_is_refused_and_changes_nothing() {
    let mut machine = used(&["/a", "/b"]).await;
    machine.disks[1] = SimulatedDisk::default();
    let error = refusal(&machine, &settings(&["/a", "/b"]));
    let WorkerError::MissingDisk { id, folder, found } = &error else { panic!("{error}") };
    assert_eq!((folder.as_str(), found.as_str()), ("/b", "an empty folder in /b"));
    assert!(machine.disks[1].files().is_empty());
    assert!(error.to_string().contains(&format!("set worker.forget_disks to {id}")), "{error}");
    let elsewhere = refusal(&machine, &settings(&["/a", "/c"]));
    assert!(matches!(elsewhere, WorkerError::MissingDisk { .. }), "nor is another empty one: {elsewhere}");

    let forgetting = WorkerSettings { forget_disks: vec![id.clone()], ..settings(&["/a", "/b"]) };
    let disks = try_open(&machine, &forgetting).unwrap();
    assert_eq!(each(&disks)[1], Vec::<u64>::new());
    drop(disks);
    open(&machine, &["/a", "/b"]);
}

#[tokio::test]
async fn a_disk_whose_folder_is_taken_out_may_come_back() {
    let machine = used(&["/a", "/b"]).await;
    let disks = open(&machine, &["/a"]);
    let here = ids(&disks);
    let lost: Vec<u64> = (1..=40).filter(|id| !here.contains(id)).collect();
    // Repair brings one of them back, to the disk that is left.
    put(&disks, lost[0], 1000).await;
    drop(disks);
    let disks = open(&machine, &["/a", "/b"]);
    assert_eq!(ids(&disks), (1..=40).collect::<Vec<u64>>());
    assert!(each(&disks).iter().all(|ids| ids.contains(&lost[0])), "both have it");
    assert_eq!(disks.delete(&[BlockId(lost[0])]), [BlockId(lost[0])]);
    assert!(disks.reading(BlockId(lost[0])).is_err(), "and none after one order");
}

#[tokio::test]
async fn a_disk_that_was_out_demands_no_disk_that_was_replaced_meanwhile() {
    let mut machine = used(&["/a", "/b", "/c"]).await;
    drop(open(&machine, &["/a", "/b"]));
    drop(open(&machine, &["/a"]));
    machine.disks[1] = SimulatedDisk::default();
    drop(open(&machine, &["/a", "/b"]));
    // It knew another disk in /b.
    let disks = open(&machine, &["/a", "/b", "/c"]);
    assert_eq!(each(&disks)[1], Vec::<u64>::new());
    assert!(!each(&disks)[2].is_empty());
}

#[tokio::test]
async fn a_disk_of_another_worker_and_a_copy_of_a_disk_are_refused() {
    let mut machine = used(&["/a"]).await;
    let disks = open(&machine, &["/b"]);
    disks.save_identity(&registered(8)).unwrap();
    drop(disks);
    let error = refusal(&machine, &settings(&["/a", "/b"]));
    assert_eq!(error.to_string(), "/b belongs to worker 8 of cluster c-1, but /a to worker 7 of cluster c-1");

    machine.disks[1] = SimulatedDisk::default();
    machine.create_dir_all(Path::new("/b")).unwrap();
    for name in ["disk", "identity"] {
        machine.create_new(&Path::new("/b").join(name)).unwrap();
        let bytes = machine.disks[0].files().into_iter().find(|(path, _)| path.ends_with(name)).unwrap().1;
        machine.disks[1].put(&Path::new("/b").join(name), bytes);
    }
    let error = refusal(&machine, &settings(&["/a", "/b"]));
    assert!(matches!(error, WorkerError::SameDisk { .. }), "{error}");
}

#[tokio::test]
async fn a_folder_of_an_earlier_version_gets_a_label_and_keeps_its_blocks() {
    let machine = used(&["/a"]).await;
    machine.remove_file(Path::new("/a/disk")).unwrap();
    let disks = open(&machine, &["/a", "/b"]);
    assert_eq!(ids(&disks), (1..=40).collect::<Vec<u64>>());
    assert!(machine.exists(Path::new("/a/disk")).unwrap());
}

#[tokio::test]
async fn the_highest_epoch_of_all_disks_counts() {
    let machine = used(&["/a", "/b"]).await;
    Identity { epoch: 5, ..registered(7) }.save(&machine, Path::new("/b")).unwrap();
    assert_eq!(open(&machine, &["/a", "/b"]).identity().epoch, 5);
    assert_eq!(Identity::load(&machine, Path::new("/a")).unwrap().epoch, 5);
}

#[tokio::test]
async fn the_folder_of_a_newer_build_is_refused_by_name_and_nothing_is_changed() {
    let machine = used(&["/a", "/b"]).await;
    for (name, title) in [("disk", "weir disk"), ("identity", "weir worker")] {
        let path = Path::new("/b").join(name);
        let bytes = machine.disks[1].files().into_iter().find(|(found, _)| *found == path).unwrap().1;
        let text = String::from_utf8(bytes.clone()).unwrap();
        let (body, _) = text.rsplit_once("crc32c ").unwrap();
        let body = body.replacen(&format!("{title} 1"), &format!("{title} 3"), 1);
        let crc = crate::store::crc32c(body.as_bytes());
        machine.disks[1].put(&path, format!("{body}crc32c {crc:08x}\n").into_bytes());
        let before = [machine.disks[0].files(), machine.disks[1].files()];
        let error = refusal(&machine, &settings(&["/a", "/b"]));
        assert!(matches!(error, WorkerError::Newer { found: 3, known: 1, .. }), "{error}");
        assert!(error.to_string().starts_with(&format!("/b/{name} was written by a newer build")), "{error}");
        assert_eq!([machine.disks[0].files(), machine.disks[1].files()], before);
        machine.disks[1].put(&path, bytes);
    }
    open(&machine, &["/a", "/b"]);
}
