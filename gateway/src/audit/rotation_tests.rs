use super::*;
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    (folder, path)
}

fn line(number: usize) -> Vec<u8> {
    format!("{{\"line\":{number:06}}}\n").into_bytes()
}

/// All lines, of the oldest file first.
fn lines(folder: &Path) -> Vec<String> {
    let number = |path: &PathBuf| path.extension().and_then(|end| end.to_str()?.parse::<u32>().ok()).unwrap_or(0);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|path| std::cmp::Reverse(number(path)));
    let texts = files.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn rotation_keeps_every_line_that_is_to_be_kept() {
    let (folder, path) = folder();
    let mut file = RotatingFile::open(path.clone(), 1000, 100).unwrap();
    for number in 0..1000 {
        file.append(&line(number)).unwrap();
    }
    let expected: Vec<_> = (0..1000).map(|number| String::from_utf8(line(number)).unwrap().trim().to_owned()).collect();
    assert_eq!(lines(folder.path()), expected);
    for entry in fs::read_dir(folder.path()).unwrap() {
        let metadata = entry.unwrap().metadata().unwrap();
        assert!(metadata.len() <= 1000);
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn the_oldest_files_go() {
    let (folder, path) = folder();
    let mut file = RotatingFile::open(path.clone(), 100, 3).unwrap();
    for number in 0..1000 {
        file.append(&line(number)).unwrap();
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    let kept = lines(folder.path());
    assert_eq!(kept.last().unwrap(), String::from_utf8(line(999)).unwrap().trim());
    assert!(kept.windows(2).all(|pair| pair[0] < pair[1]), "{kept:?}");
}

#[test]
fn a_batch_that_is_longer_than_a_file_may_be_is_written_whole() {
    let (folder, path) = folder();
    let mut file = RotatingFile::open(path, 100, 3).unwrap();
    let batch: Vec<u8> = (0..50).flat_map(line).collect();
    file.append(&batch).unwrap();
    file.append(&line(50)).unwrap();
    assert_eq!(lines(folder.path()).len(), 51);
}

#[test]
fn what_is_there_is_appended_to() {
    let (folder, path) = folder();
    fs::write(&path, line(0)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    RotatingFile::open(path.clone(), 1000, 3).unwrap().append(&line(1)).unwrap();
    assert_eq!(lines(folder.path()).len(), 2);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640, "its owner's choice");
}

#[test]
fn a_file_that_was_moved_away_is_begun_anew() {
    let (folder, path) = folder();
    let mut file = RotatingFile::open(path.clone(), 1000, 3).unwrap();
    file.append(&line(0)).unwrap();
    fs::rename(&path, folder.path().join("taken.7")).unwrap();
    file.append(&line(1)).unwrap();
    file.looked -= LOOK_INTERVAL;
    file.append(&line(2)).unwrap();
    assert_eq!(fs::read(folder.path().join("taken.7")).unwrap(), [line(0), line(1)].concat());
    assert_eq!(fs::read(&path).unwrap(), line(2));
    fs::remove_file(&path).unwrap();
    file.looked -= LOOK_INTERVAL;
    file.append(&line(3)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), line(3));
}

#[test]
fn a_file_that_was_cut_is_gone_on_with() {
    let (_folder, path) = folder();
    let mut file = RotatingFile::open(path.clone(), 100, 3).unwrap();
    for number in 0..4 {
        file.append(&line(number)).unwrap();
    }
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    file.append(&line(4)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), line(4));
}

#[test]
fn a_file_that_can_not_be_moved_goes_on() {
    let (folder, path) = folder();
    // A folder that is not empty can't be replaced by a file.
    fs::create_dir_all(folder.path().join("audit.log.1/full")).unwrap();
    let mut file = RotatingFile::open(path.clone(), 100, 1).unwrap();
    for number in 0..50 {
        file.append(&line(number)).unwrap();
    }
    let expected: Vec<u8> = (0..50).flat_map(line).collect();
    assert_eq!(fs::read(&path).unwrap(), expected);
}

#[test]
fn a_device_is_neither_moved_nor_cut() {
    let mut full = RotatingFile::open("/dev/full".into(), 100, 3).unwrap();
    for _ in 0..3 {
        assert_eq!(full.append(&line(0)).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
    assert!(Path::new("/dev/full").exists() && !Path::new("/dev/full.1").exists());
}
