//! A named arena outlives its daemon: SIGKILL, restart, refusal of what can't be served, removal.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Instant;

use arena_client::{ArrayLayout, Client, Dtype, Endpoint, Sharing};
use arena_tests::{Refused, Site, settled, sum_of_classes_is_the_arena, unchanged, until};
use ndarray::Array1;

const MIB: u64 = 1 << 20;

/// Exit codes of `arenad`, as its `--help` lists them.
const ARENA_IN_USE: i32 = 4;
const SOCKET_IN_USE: i32 = 5;
const ARENA_REFUSED: i32 = 6;

/// Bytes that are not those of any other object, for any offset.
fn pattern(seed: u64, len: u64) -> Array1<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    Array1::from_iter((0..len).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    }))
}

#[test]
fn every_sealed_object_is_served_bit_by_bit_after_a_kill() {
    let site = Site::new();
    let daemon = site.start();
    let lens = [0, 1, 4095, 4096, 4097, 3_000_000, 2 * MIB, 5 * MIB + 1];
    let client = site.client();
    for (seed, len) in lens.into_iter().enumerate() {
        let name = format!("x{seed}");
        client.put(&*name, &pattern(seed as u64, len)).unwrap();
    }
    let before = sum_of_classes_is_the_arena(&client).memory;
    let ids: Vec<_> = client.objects().map(|object| object.unwrap().id).collect();
    let children = daemon.process().children();
    assert!(children.len() >= 3, "{children:?}");
    drop(client);
    daemon.kill();
    let (_, took) = until(|| children.iter().all(|child| !child.is_alive()).then_some(()));
    println!("workers and groomer were gone {took:?} after the supervisor");

    let started = Instant::now();
    let _daemon = site.start();
    println!("served again after {:?}", started.elapsed());
    let client = site.client();
    for (seed, len) in lens.into_iter().enumerate() {
        let object = client.get(&*format!("x{seed}")).unwrap();
        assert!(
            object.bytes() == pattern(seed as u64, len).as_slice().unwrap(),
            "x{seed}"
        );
    }
    let now: Vec<_> = client.objects().map(|object| object.unwrap().id).collect();
    assert_eq!(now, ids);
    settled(&client, |stats| unchanged(&before, &stats.memory));
    assert_eq!(
        client.run("sum").input("x0").call().unwrap().int().unwrap(),
        0
    );
}

#[test]
fn an_orderly_end_keeps_the_arena_too() {
    let site = Site::new();
    let daemon = site.start();
    site.client().put("x", &pattern(1, MIB)).unwrap();
    assert_eq!(daemon.terminate().code(), Some(0));
    assert!(!site.socket().exists());
    let _daemon = site.start();
    let object = site.client().get("x").unwrap();
    assert!(object.bytes() == pattern(1, MIB).as_slice().unwrap());
}

#[test]
fn a_client_reconnects_and_keeps_its_views_and_pins() {
    let site = Site::new();
    let daemon = site.start();
    let client = site.client();
    let named = client.put("named", &pattern(1, 4 * MIB)).unwrap();
    let unnamed = client.put(None, &pattern(2, 2 * MIB)).unwrap();
    let removed = client.put("removed", &pattern(3, 8 * MIB)).unwrap();
    client.remove("removed").unwrap();
    let before = sum_of_classes_is_the_arena(&client).memory;
    assert_eq!(before.removed_bytes, 8 * MIB);
    daemon.kill();
    assert!(named.bytes() == pattern(1, 4 * MIB).as_slice().unwrap());

    let _daemon = site.start();
    // The next call reconnects.
    let after = sum_of_classes_is_the_arena(&client).memory;
    assert!(unchanged(&before, &after), "{before:?} {after:?}");
    // Whatever is put now does not lie where somebody looks.
    let mut fillers = Vec::new();
    while let Ok(object) = client.put(None, &Array1::from_elem(4 << 20, 0u8)) {
        fillers.push(object);
    }
    assert!(fillers.len() >= 10, "{}", fillers.len());
    assert!(named.bytes() == pattern(1, 4 * MIB).as_slice().unwrap());
    assert!(unnamed.bytes() == pattern(2, 2 * MIB).as_slice().unwrap());
    assert!(removed.bytes() == pattern(3, 8 * MIB).as_slice().unwrap());
    drop(removed);
    settled(&client, |stats| stats.memory.removed_bytes == 0);
}

#[test]
fn what_was_not_sealed_is_gone_after_a_restart() {
    let site = Site::new();
    let daemon = site.start();
    let mut puppet = site.puppet();
    puppet.tell(&["fill", "half", &(6 * MIB).to_string(), "1"]);
    daemon.kill();
    // Its producer lives, and may still write.
    let daemon = site.start();
    let client = site.client();
    assert!(client.get("half").is_err());
    let stats = sum_of_classes_is_the_arena(&client);
    assert_eq!(
        stats.memory.filling_bytes + stats.memory.lingering_bytes,
        6 * MIB
    );
    puppet.kill();
    settled(&client, |stats| {
        stats.memory.filling_bytes + stats.memory.lingering_bytes == 0
    });
    drop(daemon);
}

#[test]
fn a_client_that_died_with_its_supervisor_leaves_nothing() {
    let site = Site::new();
    let daemon = site.start();
    let before = sum_of_classes_is_the_arena(&site.client()).memory;
    let mut puppet = site.puppet();
    puppet.tell(&["fill", "half", &(6 * MIB).to_string(), "1"]);
    puppet.tell(&["put-anonymous", "x", &(2 * MIB).to_string(), "1"]);
    puppet.kill();
    daemon.kill();
    let _daemon = site.start();
    let client = site.client();
    settled(&client, |stats| unchanged(&before, &stats.memory));
    assert_eq!(client.sessions().unwrap().len(), 1);
}

#[test]
fn a_forked_childs_view_survives_its_parent_and_the_supervisor() {
    let site = Site::new();
    let daemon = site.start();
    let mut parent = site.puppet();
    parent.tell(&["put-anonymous", "x", &(8 * MIB).to_string(), "5"]);
    let mut child = parent.fork(&site);
    daemon.kill();
    parent.kill();
    let _daemon = site.start();
    let client = site.client();
    let mut fillers = Vec::new();
    while let Ok(object) = client.put(None, &Array1::from_elem(4 << 20, 1u8)) {
        fillers.push(object);
    }
    assert!(fillers.len() >= 10, "{}", fillers.len());
    assert_eq!(child.tell(&["look", "x"]), (5 * 8 * MIB).to_string());
    for object in fillers {
        object.remove().unwrap();
    }
    child.kill();
    settled(&client, |stats| {
        stats.memory.free_warm_bytes + stats.memory.free_cold_bytes == 64 * MIB
    });
}

fn shared_ones(client: &Client) {
    let layout = ArrayLayout::c_order(Dtype::Float64, &[1000]).unwrap();
    let sharing = Sharing {
        before_images: true,
        ..Sharing::default()
    };
    let shared = client.create_shared(layout, "counters", sharing).unwrap();
    let mut guard = shared.overwrite(..).unwrap();
    guard.slice_mut::<f64>().unwrap().fill(1.0);
    guard.commit().unwrap();
}

#[test]
fn shared_objects_and_their_poison_live_over_a_restart() {
    let site = Site::new();
    let daemon = site.start();
    shared_ones(&site.client());
    let mut writer = site.puppet();
    writer.tell(&["open", "counters"]);
    writer.tell(&["write", "counters", "0", "100", "9"]);
    daemon.kill();
    writer.kill();
    let _daemon = site.start();
    let client = site.client();
    let shared = client.shared("counters").unwrap();
    assert_eq!(
        shared
            .read(500..1000)
            .unwrap()
            .slice::<f64>()
            .unwrap()
            .iter()
            .sum::<f64>(),
        500.0
    );
    settled(&client, |stats| stats.poisoned_bytes > 0);
    shared.roll_back().unwrap();
    assert_eq!(
        shared
            .read(..)
            .unwrap()
            .slice::<f64>()
            .unwrap()
            .iter()
            .sum::<f64>(),
        1000.0
    );
    client
        .run("scale_add")
        .input("counters")
        .param("scale", 2.0)
        .call()
        .unwrap();
    assert_eq!(
        shared
            .read(..)
            .unwrap()
            .slice::<f64>()
            .unwrap()
            .iter()
            .sum::<f64>(),
        2000.0
    );
}

#[test]
fn a_lock_held_over_a_restart_is_still_held() {
    let site = Site::new();
    let daemon = site.start();
    shared_ones(&site.client());
    let mut writer = site.puppet();
    writer.tell(&["open", "counters"]);
    writer.tell(&["write", "counters", "0", "1000", "3"]);
    daemon.kill();
    let _daemon = site.start();
    let client = site.client();
    let shared = client.shared("counters").unwrap();
    let refused = shared.write_within(0..10, std::time::Duration::from_millis(200));
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains(&writer.process().pid.to_string()),
        "{refused}"
    );
    writer.tell(&["commit"]);
    assert_eq!(
        shared
            .read(..)
            .unwrap()
            .slice::<f64>()
            .unwrap()
            .iter()
            .sum::<f64>(),
        3000.0
    );
}

#[test]
fn kills_at_random_moments_lose_nothing_that_was_acknowledged() {
    let site = Site::new();
    let mut kept: Vec<(String, u64)> = Vec::new();
    for round in 0..6u64 {
        let daemon = site.start();
        let victim = daemon.process();
        let client = Client::builder()
            .reconnect_timeout(std::time::Duration::ZERO)
            .connect(&Endpoint::Path(site.socket()))
            .unwrap();
        for (name, seed) in &kept {
            let object = client.get(&**name).unwrap();
            assert!(
                object.bytes() == pattern(*seed, 100_000).as_slice().unwrap(),
                "{name}"
            );
        }
        // A moment among the puts below: right after some of them was acknowledged.
        let (acknowledged, heard) = std::sync::mpsc::channel();
        let killer = std::thread::spawn(move || {
            for _ in 0..=3 * round {
                heard.recv().unwrap();
            }
            victim.kill();
        });
        for number in 0.. {
            let name = format!("r{round}-{number}");
            let seed = round * 1000 + number;
            match client.put(&*name, &pattern(seed, 100_000)) {
                Ok(_) => {
                    kept.push((name.clone(), seed));
                    // The killer has heard enough.
                    let _ = acknowledged.send(());
                }
                Err(_) => break,
            }
            if number % 3 == 2 {
                let (gone, _) = kept.pop().unwrap();
                // Whether it came as far is not known.
                if client.remove(&*gone).is_err() {
                    break;
                }
            }
        }
        killer.join().unwrap();
        drop(daemon);
    }
    assert!(kept.len() > 5, "{}", kept.len());
}

#[test]
fn a_second_daemon_is_refused() {
    let site = Site::new();
    let first = site.start();
    let refused = site.refused();
    // The socket is looked at before the arena.
    assert_eq!(refused.code, Some(SOCKET_IN_USE), "{refused:?}");
    assert!(refused.message.contains("arenad.sock"), "{refused:?}");
    let mut command = site.daemon_command();
    command.arg("--socket").arg(site.path("other.sock"));
    let refused = arena_tests::Daemon::start(command).err().unwrap();
    assert_eq!(refused.code, Some(ARENA_IN_USE), "{refused:?}");
    assert!(refused.message.contains(site.arena()), "{refused:?}");
    assert!(
        refused.message.contains(&first.process().pid.to_string()),
        "{refused:?}"
    );
    // The first one serves on, also behind its own socket.
    site.client().put("x", &pattern(1, 10)).unwrap();
}

#[test]
fn a_daemon_does_not_remove_what_is_no_socket_of_its_own() {
    let site = Site::new();
    fs::write(site.socket(), "precious").unwrap();
    let refused = site.refused();
    assert_eq!(refused.code, Some(SOCKET_IN_USE), "{refused:?}");
    assert_eq!(fs::read(site.socket()).unwrap(), b"precious");
}

/// An arena with some objects, stopped by a kill.
fn stopped() -> Site {
    let site = Site::new();
    let daemon = site.start();
    let client = site.client();
    for seed in 0..5 {
        client
            .put(&*format!("x{seed}"), &pattern(seed, 100_000))
            .unwrap();
    }
    drop(client);
    daemon.kill();
    site
}

fn assert_refused_with_advice(site: &Site, refused: &Refused) {
    assert_eq!(refused.code, Some(ARENA_REFUSED), "{refused:?}");
    let says_what_to_do = refused
        .message
        .contains(&format!("arenactl arena rm {}", site.arena()))
        || refused.message.contains("remove or rename it");
    assert!(says_what_to_do, "{refused:?}");
}

fn poke(path: &Path, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

fn peek<const N: usize>(path: &Path, offset: u64) -> [u8; N] {
    let mut bytes = [0; N];
    File::open(path)
        .unwrap()
        .read_exact_at(&mut bytes, offset)
        .unwrap();
    bytes
}

#[test]
fn an_arena_of_another_version_boot_or_layout_is_refused() {
    let site = stopped();
    let table = site.file("table");
    for (offset, what) in [(16, "version"), (24, "layout"), (96, "started anew")] {
        let byte: [u8; 1] = peek(&table, offset);
        poke(&table, offset, &[byte[0].wrapping_add(1)]);
        let refused = site.refused();
        poke(&table, offset, &byte);
        assert_refused_with_advice(&site, &refused);
        println!("{what}: {}", refused.message.trim());
    }
    let _daemon = site.start();
    assert_eq!(site.client().get("x0").unwrap().bytes().len(), 100_000);
}

#[test]
fn flipped_bytes_of_the_header_never_crash_and_are_refused() {
    let site = stopped();
    let table = site.file("table");
    // The ready word apart: cleared, it says that nothing was ever stored.
    for offset in (8..232).step_by(5) {
        let byte: [u8; 1] = peek(&table, offset);
        poke(&table, offset, &[byte[0] ^ 0x55]);
        let refused = site.refused();
        poke(&table, offset, &byte);
        assert_eq!(refused.signal, None, "{offset}: {refused:?}");
        assert_refused_with_advice(&site, &refused);
    }
    let _daemon = site.start();
    assert_eq!(site.client().objects().count(), 5);
}

#[test]
fn flipped_bytes_of_rows_never_crash_and_are_refused() {
    let site = stopped();
    let table = site.file("table");
    let objects = u64::from_le_bytes(peek(&table, 80));
    let row = (0..16)
        .map(|row| objects + row * 512)
        .find(|offset| {
            peek::<512>(&table, *offset)
                .windows(2)
                .any(|bytes| bytes == b"x3")
        })
        .unwrap();
    let mut refusals = 0;
    for offset in (row..row + 512).step_by(37) {
        let byte: [u8; 1] = peek(&table, offset);
        poke(&table, offset, &[byte[0] ^ 0xff]);
        match arena_tests::Daemon::start(site.daemon_command()) {
            // A row keeps what may change twice, and only one of the halves counts.
            Ok(_daemon) => assert_eq!(stored(&site), [0, 1, 2, 3, 4]),
            Err(refused) => {
                assert_eq!(refused.signal, None, "{refused:?}");
                assert_refused_with_advice(&site, &refused);
                refusals += 1;
            }
        }
        poke(&table, offset, &byte);
    }
    assert!(refusals >= 12, "{refusals}");
    let _daemon = site.start();
    assert_eq!(stored(&site), [0, 1, 2, 3, 4]);
}

/// Which objects of [`stopped`] are served as they were put.
fn stored(site: &Site) -> Vec<u64> {
    let client = site.client();
    (0..5)
        .filter(|seed| {
            let object = client.get(&*format!("x{seed}")).unwrap();
            object.bytes() == pattern(*seed, 100_000).as_slice().unwrap()
        })
        .collect()
}

#[test]
fn truncated_files_are_refused() {
    for part in ["table", "locks", "data"] {
        let site = stopped();
        let path = site.file(part);
        let len = fs::metadata(&path).unwrap().len();
        for short in [0, 1, 4096, len / 2, len - 1] {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(short).unwrap();
            let refused = site.refused();
            assert_eq!(refused.signal, None, "{part} {short}: {refused:?}");
            assert_refused_with_advice(&site, &refused);
            file.set_len(len).unwrap();
            if part == "table" {
                // What was cut off is zero now.
                break;
            }
        }
    }
}

#[test]
fn files_that_others_could_have_made_are_refused() {
    let site = stopped();
    let path = site.file("data");
    let aside = PathBuf::from(format!("{}.aside", path.display()));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert_refused_with_advice(&site, &site.refused());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

    fs::hard_link(&path, &aside).unwrap();
    assert_refused_with_advice(&site, &site.refused());
    fs::remove_file(&aside).unwrap();

    fs::rename(&path, &aside).unwrap();
    symlink(&aside, &path).unwrap();
    assert_refused_with_advice(&site, &site.refused());
    fs::remove_file(&path).unwrap();
    fs::rename(&aside, &path).unwrap();

    std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
    assert_refused_with_advice(&site, &site.refused());
    std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    let _daemon = site.start();
    assert_eq!(site.client().objects().count(), 5);
}

#[test]
fn an_arena_is_removed_when_nobody_serves_it() {
    let site = Site::new();
    let daemon = site.start();
    site.client().put("x", &pattern(1, MIB)).unwrap();
    let in_use = site.arenactl(["arena", "rm", site.arena()]);
    assert!(in_use.complaint(5).contains("served by"), "{in_use:?}");
    daemon.kill();
    let listed = site.arenactl(["arena", "ls", "--json"]).json();
    let is_ours = |arena: &&serde_json::Value| arena["name"] == site.arena();
    let ours = listed
        .as_array()
        .unwrap()
        .iter()
        .find(is_ours)
        .cloned()
        .unwrap();
    assert_eq!(ours["arena_bytes"], 64 * MIB);
    assert_eq!(ours["served_by_pid"], serde_json::Value::Null);
    let removed = site.arenactl(["arena", "rm", site.arena(), "--json"]);
    assert_eq!(removed.json()["removed"][0], site.arena());
    assert_eq!(site.files(), Vec::<PathBuf>::new());
    assert_eq!(site.arenactl(["arena", "rm", site.arena()]).code, Some(4));
    let _daemon = site.start();
    assert_eq!(site.client().objects().count(), 0);
}
