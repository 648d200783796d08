//! Each byte of the arena is in one class at every moment, and all of it is free when everybody is gone.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use arena_client::Client;
use arena_tests::{Puppet, Site, settled, sum_of_classes_is_the_arena};

const MIB: u64 = 1 << 20;

/// A sequence that is the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// One random step of one client. Its names are its own; most of what it asks for fits, some of it does not.
fn step(puppet: &mut Puppet, number: usize, dice: &mut Dice) {
    let name = format!("c{number}-{}", dice.below(6));
    let bytes = match dice.below(4) {
        0 => dice.below(3),
        1 => dice.below(100_000),
        2 => dice.below(3 * MIB),
        _ => dice.below(9 * MIB),
    };
    let (bytes, elements) = (bytes.to_string(), (1 + bytes / 64).to_string());
    // Refusals are part of it: names that are taken, objects that are not there, an arena that is full.
    let _ = match dice.below(9) {
        0 | 1 => puppet.ask(&["put", &name, &bytes, "1"]),
        2 => puppet.ask(&["put-anonymous", &name, &bytes, "1"]),
        3 => puppet.ask(&["fill", &name, &bytes, "1"]),
        4 => puppet.ask(&["seal", &name]),
        5 => puppet.ask(&["abandon", &name]),
        6 => puppet.ask(&["release", &name]),
        7 => puppet.ask(&["remove", &name]),
        _ => puppet.ask(&["share", &name, &elements, "images"]),
    };
}

fn remove_all(client: &Client) {
    for object in client.objects() {
        let object = object.unwrap();
        // It may have gone with its maker meanwhile.
        let _ = client.remove(object.id);
    }
}

#[test]
fn every_byte_is_in_one_class_after_any_sequence_of_operations() {
    const STEPS: usize = 400;
    let site = Site::new();
    let _daemon = site.start();
    let client = site.client();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut puppets: Vec<Puppet> = (0..4).map(|_| site.puppet()).collect();
    let mut seen = [0_u64; 5];
    for _ in 0..STEPS {
        let number = dice.below(puppets.len() as u64) as usize;
        step(&mut puppets[number], number, &mut dice);
        if dice.below(40) == 0 {
            std::mem::replace(&mut puppets[number], site.puppet()).kill();
        }
        let memory = sum_of_classes_is_the_arena(&client).memory;
        let classes = [
            memory.filling_bytes,
            memory.sealed_bytes,
            memory.shared_bytes,
            memory.removed_bytes,
            memory.overhead_bytes,
        ];
        for (seen, bytes) in seen.iter_mut().zip(classes) {
            *seen = bytes.max(*seen);
        }
    }
    assert!(seen.iter().all(|most| *most > 0), "{seen:?}");
    for puppet in puppets {
        puppet.kill();
    }
    settled(&client, |stats| stats.memory.filling_bytes == 0);
    remove_all(&client);
    let (stats, took) = settled(&client, |stats| {
        stats.memory.free_warm_bytes + stats.memory.free_cold_bytes == stats.arena.bytes
    });
    println!("all free {took:?} after the last removal");
    assert_eq!(stats.objects, 0);
    assert_eq!((stats.pinned_bytes, stats.poisoned_bytes), (0, 0));
    for charge in stats.by_session.iter().chain(&stats.by_uid) {
        assert_eq!((charge.bytes, charge.objects), (0, 0), "{charge:?}");
    }
    assert_eq!(client.locks().unwrap(), []);
    assert_eq!(client.sessions().unwrap().len(), 1);
}

#[test]
fn a_long_row_of_clients_leaves_no_descriptor_no_file_and_no_session() {
    let site = Site::new();
    let daemon = site.start();
    let client = site.client();
    let descriptors = || {
        let path = format!("/proc/{}/fd", daemon.process().pid);
        std::fs::read_dir(path).unwrap().count()
    };
    settled(&client, |_| client.workers().unwrap().len() == 3);
    let (files, open) = (site.files(), descriptors());
    for round in 0..30 {
        let mut puppet = site.puppet();
        puppet.tell(&["put-anonymous", "x", "100000", "1"]);
        puppet.tell(&["fill", "y", "100000", "1"]);
        if round % 2 == 0 {
            puppet.kill();
        }
    }
    settled(&client, |stats| {
        stats.memory.free_warm_bytes + stats.memory.free_cold_bytes == stats.arena.bytes
    });
    settled(&client, |_| {
        site.files() == files && descriptors() == open && client.sessions().unwrap().len() == 1
    });
}

#[test]
fn charges_are_by_session_and_uid() {
    let site = Site::new();
    let _daemon = site.start();
    let client = site.client();
    let mut one = site.puppet();
    let mut other = site.puppet();
    one.tell(&["put", "a", &(3 * MIB).to_string(), "1"]);
    other.tell(&["put", "b", "5000", "1"]);
    let stats = sum_of_classes_is_the_arena(&client);
    let session = one.tell(&["session"]).parse::<u64>().unwrap();
    let charge = stats
        .by_session
        .iter()
        .find(|charge| charge.holder == session);
    let charge = charge.unwrap();
    assert_eq!((charge.bytes, charge.objects), (3 * MIB, 1));
    let uid: u64 = stats.by_uid.iter().map(|charge| charge.bytes).sum();
    assert_eq!(uid, 3 * MIB + 8192);
    assert_eq!(stats.memory.overhead_bytes, 8192 - 5000);
    let shown = site.arenactl(["stats", "--json"]).json();
    assert_eq!(shown["memory"]["total_bytes"], 64 * MIB);
    assert_eq!(shown["memory"]["sealed_bytes"], 3 * MIB + 5000);
}
