//! What a person can do with the store, and what it refuses. On toy models, but for the last
//! test, which wants real weights.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::toy;
use super::*;

fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store {
        dir: dir.path().join("models"),
        rules: toy::RULES,
    };
    (dir, store)
}

fn import(store: &Store, from: &Path, name: Option<&str>) -> Result<Installed> {
    store.import(from, name, &mut |_| {})
}

/// A toy ggml file beside the store.
fn toy_file(dir: &TempDir, name: &str) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, toy::ggml()).unwrap();
    path
}

/// A file of the store by hand, with a record that fits it or not.
fn by_hand(store: &Store, name: &str, sha256: &str, languages: Languages) {
    fs::create_dir_all(&store.dir).unwrap();
    fs::write(store.model_path(name), toy::ggml()).unwrap();
    let record = Record {
        name: name.to_owned(),
        bytes: 1,
        sha256: sha256.to_owned(),
        languages,
        source: "ggml file".to_owned(),
    };
    fs::write(store.record_path(name), sidecar::text(&record)).unwrap();
}

#[test]
fn an_imported_file_is_listed_found_and_verified_against_its_import() {
    let (dir, store) = store();
    let mut last = None;
    let installed = store
        .import(&toy_file(&dir, "ggml-toy.bin"), None, &mut |now| {
            last = Some(now)
        })
        .unwrap();
    assert_eq!(installed.name, "toy");
    assert_eq!(installed.source, "ggml file");
    assert_eq!(installed.bytes, toy::ggml().len() as u64);
    let last = last.unwrap();
    assert_eq!((last.step, last.done), (Step::Copying, last.total));
    assert_eq!(store.list().unwrap(), std::slice::from_ref(&installed));
    assert_eq!(store.find(None).unwrap(), installed);
    assert_eq!(store.find(Some("toy")).unwrap(), installed);
    assert_eq!(store.verify("toy").unwrap().against, Trust::Import);
}

#[test]
fn a_folder_is_converted_and_every_way_of_storing_it_gives_the_same_model() {
    let (dir, store) = store();
    let mut digests = std::collections::BTreeSet::new();
    for form in [
        toy::Store::F32,
        toy::Store::F16,
        toy::Store::Brain16,
        toy::Store::I8,
    ] {
        let name = format!("{form:?}").to_lowercase();
        let folder = dir.path().join(&name);
        toy::folder(&folder, form).unwrap();
        let mut steps = 0;
        let installed = store
            .import(&folder, None, &mut |now| {
                assert_eq!(now.step, Step::Converting);
                steps += 1;
            })
            .unwrap();
        assert!(steps > 10);
        assert_eq!(installed.name, name);
        assert_eq!(installed.source, "CTranslate2 folder");
        digests.insert(installed.sha256);
        store.verify(&name).unwrap();
    }
    assert_eq!(digests.len(), 1);
    assert_eq!(store.list().unwrap().len(), 4);
}

#[test]
fn naming_model_bin_means_its_folder() {
    let (dir, store) = store();
    let folder = dir.path().join("folder");
    toy::folder(&folder, toy::Store::F16).unwrap();
    let installed = import(&store, &folder.join("model.bin"), Some("mine")).unwrap();
    assert_eq!(installed.source, "CTranslate2 folder");
    fs::remove_file(folder.join("vocabulary.txt")).unwrap();
    let error = import(&store, &folder.join("model.bin"), Some("other")).unwrap_err();
    assert!(error.sentence().contains("whole folder"), "{error}");
    let error = import(&store, &folder, Some("other")).unwrap_err();
    assert!(error.sentence().contains("vocabulary.txt"), "{error}");
}

#[test]
fn a_changed_model_is_not_used_and_importing_it_again_repairs_it() {
    let (dir, store) = store();
    let file = toy_file(&dir, "toy.bin");
    let installed = import(&store, &file, None).unwrap();
    let mut bytes = fs::read(&installed.path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&installed.path, bytes).unwrap();
    let error = store.find(Some("toy")).unwrap_err();
    assert_eq!(error.kind(), Kind::Model);
    assert!(
        error.sentence().contains("changed or is damaged"),
        "{error}"
    );
    assert!(!error.hints().is_empty());
    import(&store, &file, None).unwrap();
    assert_eq!(store.find(Some("toy")).unwrap(), installed);
}

#[test]
fn a_name_of_the_catalogue_is_for_the_published_model_only() {
    let (dir, store) = store();
    for (file, name) in [("ggml-base.bin", None), ("x.bin", Some("base"))] {
        let error = import(&store, &toy_file(&dir, file), name).unwrap_err();
        assert_eq!(error.kind(), Kind::Model);
        assert!(error.sentence().contains("not the published model base"));
        assert!(error.hints().iter().any(|hint| hint.contains("--name")));
    }
    assert!(store.list().unwrap().is_empty());
    // Nor does a record written by somebody else make it the published one.
    let sha = hash(&toy_file(&dir, "y.bin")).unwrap();
    by_hand(&store, "base", &sha, Languages::Many);
    assert_eq!(store.verify("base").unwrap_err().kind(), Kind::Model);
}

#[test]
fn a_published_file_put_there_by_hand_is_held_to_the_catalogue() {
    let (_dir, store) = store();
    fs::create_dir_all(&store.dir).unwrap();
    fs::write(store.model_path("base"), toy::ggml()).unwrap();
    fs::write(store.model_path("unknown"), toy::ggml()).unwrap();
    fs::write(store.model_path("silero-v6.2.0"), b"x").unwrap();
    let list = store.list().unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].trust, Trust::Catalog);
    assert_eq!(store.find(Some("base")).unwrap_err().kind(), Kind::Model);
}

#[test]
fn another_model_is_not_replaced_and_the_same_one_changes_nothing() {
    let (dir, store) = store();
    let first = import(&store, &toy_file(&dir, "toy.bin"), None).unwrap();
    assert_eq!(
        import(&store, &toy_file(&dir, "toy.bin"), None).unwrap(),
        first
    );
    let folder = dir.path().join("folder");
    toy::folder(&folder, toy::Store::F16).unwrap();
    let error = import(&store, &folder, Some("toy")).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert_eq!(store.find(Some("toy")).unwrap(), first);
}

#[test]
fn what_is_no_model_leaves_nothing_behind() {
    let (dir, store) = store();
    let path = dir.path().join("x.bin");
    for bytes in [&b"RIFF"[..], b"", &toy::ggml()[..5000]] {
        fs::write(&path, bytes).unwrap();
        let error = import(&store, &path, None).unwrap_err();
        assert_eq!(error.kind(), Kind::Model);
        assert!(!store.dir.exists());
    }
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let error = import(&store, &empty, None).unwrap_err();
    assert!(error.sentence().contains("no model.bin"));
    let error = import(&store, &dir.path().join("nothing"), None).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    toy::folder(&empty, toy::Store::F16).unwrap();
    let whole = toy::ct2(toy::Store::F16);
    fs::write(empty.join("model.bin"), &whole[..whole.len() / 2]).unwrap();
    assert_eq!(
        import(&store, &empty, None).unwrap_err().kind(),
        Kind::Model
    );
    // The lock may be there, and nothing else.
    let left = fs::read_dir(&store.dir).map_or(0, |entries| {
        entries
            .flatten()
            .filter(|entry| entry.file_name() != ".lock")
            .count()
    });
    assert_eq!(left, 0);
}

#[test]
fn names_that_would_leave_the_folder_are_refused() {
    let (dir, store) = store();
    let file = toy_file(&dir, "toy.bin");
    for name in [
        "",
        "..",
        "../x",
        "a/b",
        "A",
        ".hidden",
        "silero-v5",
        "a b",
        &"a".repeat(65),
    ] {
        assert_eq!(
            import(&store, &file, Some(name)).unwrap_err().kind(),
            Kind::Usage,
            "{name}"
        );
        assert_eq!(store.find(Some(name)).unwrap_err().kind(), Kind::Model);
    }
}

#[test]
fn one_import_at_a_time_and_leftovers_are_removed() {
    let (dir, store) = store();
    let file = toy_file(&dir, "toy.bin");
    fs::create_dir_all(&store.dir).unwrap();
    let left = store.dir.join(".importing-abc.part");
    fs::write(&left, b"half").unwrap();
    let lock = store.lock().unwrap();
    assert!(!left.exists());
    assert_eq!(import(&store, &file, None).unwrap_err().kind(), Kind::Busy);
    drop(lock);
    import(&store, &file, None).unwrap();
}

#[cfg(unix)]
#[test]
fn every_user_may_read_a_model() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, store) = store();
    let installed = import(&store, &toy_file(&dir, "toy.bin"), None).unwrap();
    let mode = fs::metadata(installed.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[test]
fn the_default_suits_language_and_machine() {
    let (_dir, store) = store();
    let error = store.find(None).unwrap_err();
    assert!(error.sentence().contains("no speech model"));
    assert!(error.hints()[0].contains("fetch-model"));
    by_hand(&store, "tiny.en", "0", Languages::English);
    let name = |language, cores| store.choose(language, cores).map(|model| model.name);
    assert_eq!(name(None, 2).unwrap(), "tiny.en");
    let error = name(Some("de"), 2).unwrap_err();
    assert!(error.sentence().contains("English only"));
    for (model, languages) in [
        ("base", Languages::Many),
        ("base.en", Languages::English),
        ("small", Languages::Many),
        ("large-v3-turbo-q5_0", Languages::Many),
        ("zebra", Languages::Many),
    ] {
        by_hand(&store, model, "0", languages);
    }
    assert_eq!(name(None, 2).unwrap(), "base");
    assert_eq!(name(Some("en"), 2).unwrap(), "base.en");
    assert_eq!(name(Some("de"), 4).unwrap(), "small");
    assert_eq!(name(None, 16).unwrap(), "large-v3-turbo-q5_0");
    let listed: Vec<_> = store
        .list()
        .unwrap()
        .into_iter()
        .map(|model| model.name)
        .collect();
    let order = [
        "tiny.en",
        "base.en",
        "base",
        "small",
        "large-v3-turbo-q5_0",
        "zebra",
    ];
    assert_eq!(listed, order);
}

#[test]
fn a_hostile_record_is_ignored() {
    let (dir, store) = store();
    import(&store, &toy_file(&dir, "toy.bin"), None).unwrap();
    let junk: [&[u8]; 3] = [b"\xff\xfe", b"name = 3", &[b'a'; 40_000]];
    for bytes in junk {
        fs::write(store.record_path("toy"), bytes).unwrap();
        assert!(store.list().unwrap().is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_damage_to_a_folder_makes_the_import_panic_or_install_half(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 1..4),
        head in any::<bool>(),
        cut in prop::option::of(any::<prop::sample::Index>()),
        form in prop::sample::select(vec![toy::Store::F32, toy::Store::F16, toy::Store::I8]),
    ) {
        let (dir, store) = store();
        let folder = dir.path().join("folder");
        toy::folder(&folder, form).unwrap();
        let mut bytes = toy::ct2(form);
        let reach = if head { 160 } else { bytes.len() - 4 };
        for (place, value) in changes {
            let at = place.index(reach);
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs::write(folder.join("model.bin"), bytes).unwrap();
        match import(&store, &folder, None) {
            Ok(_) => prop_assert!(store.find(Some("folder")).is_ok()),
            Err(error) => {
                prop_assert_eq!(error.kind(), Kind::Model);
                prop_assert!(store.list().unwrap().is_empty());
            }
        }
    }
}

/// `UNDERTONE_TEST_CT2=DIR cargo test --release --lib model -- --ignored`, with `DIR/tiny.en` and
/// `DIR/base` in CTranslate2 form.
#[test]
#[ignore = "wants real weights in $UNDERTONE_TEST_CT2"]
fn real_weights_become_the_published_files() {
    let Some(weights) = std::env::var_os("UNDERTONE_TEST_CT2") else {
        panic!("set UNDERTONE_TEST_CT2 to a folder that holds tiny.en and base");
    };
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path());
    for name in ["tiny.en", "base"] {
        let clock = std::time::Instant::now();
        let installed = import(&store, &Path::new(&weights).join(name), None).unwrap();
        println!("{name}: converted in {:?}", clock.elapsed());
        assert_eq!(installed.name, name);
        let entry = by_name(name).unwrap();
        assert!(entry.accepts(&installed.sha256));
        assert_eq!(installed.bytes, entry.bytes);
        let clock = std::time::Instant::now();
        assert_eq!(store.verify(name).unwrap().against, Trust::Catalog);
        println!("{name}: verified in {:?}", clock.elapsed());
    }
}
