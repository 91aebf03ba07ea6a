//! What two control planes have in common.

use crate::config::RedisConfig;
use crate::shared::redis::testing::{KEY, RedisServer, join, joined, patient, patient_config};
use crate::shared::{Charge, Notice, Redis, SetRecord, SharedState, Suspicion, choose_hash_key};

fn record(id: impl ToString, bytes: &[u8]) -> SetRecord {
    SetRecord { id: id.to_string(), bytes: bytes.to_vec() }
}

#[tokio::test]
async fn they_count_together() {
    let server = RedisServer::start();
    let (one, other) = (joined(&server).await, joined(&server).await);
    let hour = 3_600_000_000;
    let charge = [Charge { rule: 0, key: 1, cost_us: hour, least_us: 0, most_us: 1_000_000 }];
    one.charge(&charge).await.expect("charged");
    let ahead = other.charge(&charge).await.expect("charged")[0];
    assert!(ahead > 2 * hour - 60_000_000, "{ahead}");
    one.suspect(&[Suspicion { session: 5, by: 2 }], 60).await.expect("counted");
    assert_eq!(other.suspicion(5).await, Ok(2));
    assert_eq!((one.claim("x", 60).await, other.claim("x", 60).await), (Ok(true), Ok(false)));
    assert_eq!((one.draw("q", 1, 0).await, other.draw("q", 1, 0).await), (Ok(true), Ok(false)));
    one.keep("reputation:1", b"bad".to_vec(), 60).await.expect("kept");
    assert_eq!(other.cached("reputation:1").await, Ok(Some(b"bad".to_vec())));
    assert_eq!(one.agree("a", b"first".to_vec()).await, Ok(Some(b"first".to_vec())));
    assert_eq!(other.agree("a", b"second".to_vec()).await, Ok(Some(b"first".to_vec())));
}

#[tokio::test]
async fn they_hear_of_each_other_but_not_of_themselves() {
    let server = RedisServer::start();
    let (one, other) = (joined(&server).await, joined(&server).await);
    let (mut at_one, mut at_other) = (one.notices(), other.notices());
    let session = Notice::Session { session: 9, count: 3, keep_s: 60 };
    one.tell(Notice::Policy);
    one.tell(session);
    assert_eq!((at_other.recv().await, at_other.recv().await), (Ok(Notice::Policy), Ok(session)));
    other.tell(Notice::Lists);
    assert_eq!(at_one.recv().await, Ok(Notice::Lists), "the first that one hears");
    assert_eq!(one.health().notices, 1);
}

#[tokio::test]
async fn another_prefix_is_another_installation() {
    let server = RedisServer::start();
    let one = joined(&server).await;
    let mut config = patient(&server.url());
    config.prefix = "other:".to_owned();
    let mut other = Redis::new(&config, "").expect("sound");
    other.join([9; 16]).await;
    assert_eq!(other.health().degraded, None, "another hash key is no matter");
    assert_eq!((one.claim("x", 60).await, other.claim("x", 60).await), (Ok(true), Ok(true)));
}

#[tokio::test]
async fn a_fresh_database_takes_the_key_over_and_an_old_one_stays_apart() {
    let server = RedisServer::start();
    let config = patient_config(&server.url());
    let first = choose_hash_key(&config, None).await.expect("chosen");
    assert_eq!(choose_hash_key(&config, None).await, Ok(first));
    let other = choose_hash_key(&config, Some(KEY)).await.expect("its own");
    assert_eq!(other, KEY);
    let mut redis = Redis::new(&config.redis, "").expect("sound");
    redis.join(other).await;
    let health = redis.health();
    assert!(!health.is_shared);
    let reason = health.degraded.expect("degraded");
    assert!(reason.contains("another hash key"), "{reason}");
    // Nor does it take the others' place when Redis loses its data.
    let elsewhere = RedisConfig { prefix: "elsewhere:".to_owned(), ..config.redis.clone() };
    let mut delete = ::redis::cmd("DEL");
    delete.arg("sallyport:agreed:{hash_key}");
    join(&elsewhere, "").await.ask(delete).await.expect("deleted");
    redis.link.join(other).await;
    assert!(redis.health().degraded.is_some_and(|reason| reason.contains("another hash key")));
    let mut first_again = Redis::new(&config.redis, "").expect("a sound configuration");
    first_again.join(first).await;
    assert_eq!(first_again.health().degraded, None);
    assert!(redis.claim("x", 1).await.is_err());

    let mut contradicting = config.clone();
    contradicting.secrets.hash_key = "00112233445566778899aabbccddeeff".into();
    assert!(choose_hash_key(&contradicting, Some(KEY)).await.is_err());
    let chosen = choose_hash_key(&contradicting, None).await.expect("chosen");
    assert_eq!(chosen[..3], [0x00, 0x11, 0x22]);
}

#[tokio::test]
async fn the_same_content_has_the_same_number() {
    let server = RedisServer::start();
    let (one, other) = (joined(&server).await, joined(&server).await);
    assert_eq!(one.latest_snapshot().await, Ok(None));
    let first = one.number_snapshot([1; 32], 6).await.expect("numbered").expect("a number");
    assert_eq!((first.number, first.digest), (7, [1; 32]));
    assert!(first.created_ms > 1_700_000_000_000, "{first:?}");
    assert_eq!(other.number_snapshot([1; 32], 3).await, Ok(Some(first)));
    let second = other.number_snapshot([2; 32], 3).await.expect("numbered").expect("a number");
    assert_eq!(second.number, 8);
    assert_eq!(one.latest_snapshot().await, Ok(Some(second)));
    let back = one.number_snapshot([1; 32], 7).await.expect("numbered").expect("a number");
    assert_eq!(back.number, 9, "a number never means two contents");
    let later = one.number_snapshot([1; 32], 9).await.expect("numbered").expect("a number");
    assert_eq!(later.number, 10, "a replica had other content under 9");
}

/// A number that somebody else wrote must not end the counting: filters know snapshots by it.
#[tokio::test]
async fn an_absurd_number_of_a_snapshot_is_passed_over() {
    let server = RedisServer::start();
    let one = joined(&server).await;
    let mut above = 6;
    for absurd in ["9007199254740993", "18446744073709551615", "1e300", "inf", "nan", "-5", "many"] {
        let mut set = ::redis::cmd("HSET");
        set.arg("sallyport:{snapshot}").arg("number").arg(absurd);
        one.ask(set).await.expect("set");
        for content in [[1; 32], [2; 32]] {
            let next = one.number_snapshot(content, above).await.expect("numbered").expect("a number");
            assert_eq!(next.number, above + 1, "{absurd}");
            above = next.number;
        }
    }
}

#[tokio::test]
async fn sets_are_read_by_what_changed() {
    let server = RedisServer::start();
    let (one, other) = (joined(&server).await, joined(&server).await);
    assert_eq!(one.records_since("lists", 0).await, Ok((0, vec![])));
    let records: Vec<_> = (0..2_500).map(|n| record(n, b"old")).collect();
    let revision = one.put_records("lists", &records).await.expect("put");
    assert_eq!(other.records_since("lists", 0).await, Ok((revision, records)), "over several pages");
    let changed = [record(7, b"new"), record("another", b"")];
    let next = other.put_records("lists", &changed).await.expect("put");
    assert_eq!(next, revision + 2);
    assert_eq!(one.records_since("lists", revision).await, Ok((next, changed.to_vec())));
    assert_eq!(one.records_since("lists", next).await, Ok((next, vec![])));
    let all = one.records_since("lists", 0).await.expect("read").1;
    assert_eq!(all.len(), 2_501);
    assert_eq!(one.records_since("checkpoints", 0).await, Ok((0, vec![])), "another set");
    assert!(one.put_records("no such {set}", &[]).await.is_err());
    assert!(one.put_records("lists", &[record("x".repeat(65), b"")]).await.is_err());
}

#[tokio::test]
async fn large_records_come_back() {
    let server = RedisServer::start();
    let one = joined(&server).await;
    let records = [record("a", &[1; 4 << 20]), record("b", &[2; 1 << 20]), record("c", b"small")];
    let revision = one.put_records("checkpoints", &records).await.expect("put");
    assert_eq!(one.records_since("checkpoints", 0).await, Ok((revision, records.to_vec())));
    let too_large = record("d", &[0; (4 << 20) + 1]);
    assert!(one.put_records("checkpoints", &[too_large]).await.is_err());
}

#[tokio::test]
async fn a_lost_set_is_noticed_even_when_it_was_begun_again() {
    let server = RedisServer::start();
    let (one, other) = (joined(&server).await, joined(&server).await);
    let revision = one.put_records("lists", &[record("a", b"1")]).await.expect("put");
    one.ask(::redis::cmd("FLUSHALL")).await.expect("flushed");
    assert_eq!(one.records_since("lists", revision).await, Ok((0, vec![])));
    let mut begun = ::redis::cmd("SET");
    // As a set that was begun at another time and has grown beyond the old one.
    begun.arg("sallyport:set:{lists}:revision").arg(((revision >> 32) + 1) << 32);
    one.ask(begun).await.expect("set");
    let again = other.put_records("lists", &[record("b", b"2"), record("c", b"3")]).await.expect("put");
    assert!(again > revision);
    assert_eq!(one.records_since("lists", revision).await, Ok((0, vec![])), "not only what came since");
    assert_eq!(one.records_since("lists", 0).await.expect("read").1.len(), 2);
}
