//! The database is read-only, full or refuses a row: what waits is bounded, nothing acknowledged is lost, and
//! it goes on by itself. The writer is driven by hand, so that its connection can be broken and mended.

use super::*;
use crate::store::sqlite::writer::Writer;

const BUFFER_ROWS: usize = 30;

fn writer(folder: &Path, batch_rows: usize) -> Writer {
    let config = config(folder);
    let mut connection = connection::open_writer(&config).expect("opens");
    migrate::up(&mut connection).expect("up to date");
    let buffer = Arc::new(Buffer::new(BUFFER_ROWS, batch_rows, Duration::ZERO));
    Writer { connection, buffer, batch_rows, retention: RetentionConfig::default() }
}

fn record(writer: &Writer, rows: impl IntoIterator<Item = RequestRow>) {
    writer.buffer.record(&mut rows.into_iter().map(Row::Request));
}

/// One round of the writer, as after a failed one or not.
fn round(writer: &mut Writer, was_failing: bool) -> Option<String> {
    let work = writer.buffer.next_work(Duration::ZERO);
    writer.carry_out(work, was_failing)
}

/// Feedback about the first row, and where its answer comes.
fn feedback(writer: &Writer) -> oneshot::Receiver<Result<FeedbackOutcome, StoreError>> {
    let (sender, receiver) = oneshot::channel();
    let target = FeedbackTarget::Request(row(1, Action::Allow).request_id);
    let job: Job = Box::new(move |connection, tell| {
        let change = |t: &rusqlite::Transaction<'_>| feedback::store(t, &said(target, true), 1);
        let result = connection.and_then(|c| Ok(connection::durably(c, change)?));
        tell(result.as_ref().err());
        drop(sender.send(result));
    });
    assert!(writer.buffer.submit(job).is_ok());
    receiver
}

fn requests(writer: &Writer) -> (u64, u64) {
    let totals = read::totals(&writer.connection).expect("readable");
    (count(&writer.connection, "requests"), totals.requests)
}

/// Breaks the database, records more than fits, mends it.
fn outage(break_it: &str, mend_it: &str, told: &str) {
    let folder = TempDir::new().expect("a folder");
    let mut writer = writer(folder.path(), 10);
    record(&writer, [row(1, Action::Block)]);
    assert_eq!(round(&mut writer, false), None);
    writer.connection.execute_batch(break_it).expect("broken");

    let long: Box<str> = "x".repeat(20_000).into();
    record(&writer, (2..42).map(|n| RequestRow { user_agent: long.clone(), ..row(n, Action::Allow) }));
    let mut answer = feedback(&writer);
    let failure = round(&mut writer, false).expect("it cannot be written");
    assert!(failure.contains(told), "{failure}");
    assert!(matches!(answer.try_recv(), Ok(Err(StoreError::Unavailable(_)))));
    for number in 42..52 {
        record(&writer, [row(number, Action::Challenge)]);
        assert!(round(&mut writer, true).is_some());
    }
    let health = writer.buffer.health();
    assert!(health.failing.is_some_and(|reason| reason.contains(told)));
    assert!(health.pending_rows <= BUFFER_ROWS as u64);
    assert_eq!(health.pending_rows + health.written_rows + health.dropped_rows, 51);

    writer.connection.execute_batch(mend_it).expect("mended");
    let mut answer = feedback(&writer);
    assert_eq!(round(&mut writer, true), None);
    assert!(matches!(answer.try_recv(), Ok(Ok(FeedbackOutcome::Recorded(_)))));
    let health = writer.buffer.health();
    assert_eq!((health.failing, health.pending_rows), (None, 0));
    assert_eq!(requests(&writer), (health.written_rows, 51), "the totals know also what was dropped");
}

#[test]
fn a_read_only_database_is_waited_for() {
    outage("PRAGMA query_only = ON", "PRAGMA query_only = OFF", "readonly");
}

#[test]
fn a_full_disk_is_waited_for() {
    // A limit below the present size means the present size.
    outage("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000", "full");
}

#[test]
fn failing_is_told_without_traffic_and_ends_without_traffic() {
    let folder = TempDir::new().expect("a folder");
    let mut writer = writer(folder.path(), 10);
    record(&writer, [row(1, Action::Block)]);
    assert_eq!(round(&mut writer, false), None);
    writer.connection.execute_batch("PRAGMA query_only = ON").expect("broken");
    let mut answer = feedback(&writer);
    assert!(round(&mut writer, false).is_some());
    assert!(matches!(answer.try_recv(), Ok(Err(StoreError::Unavailable(_)))));
    assert!(round(&mut writer, true).is_some());
    assert!(writer.buffer.health().failing.is_some());
    writer.connection.execute_batch("PRAGMA query_only = OFF").expect("mended");
    assert_eq!(round(&mut writer, true), None);
    assert_eq!(writer.buffer.health().failing, None);
}

#[test]
fn rows_that_are_refused_for_good_still_count() {
    let folder = TempDir::new().expect("a folder");
    let mut writer = writer(folder.path(), 10);
    let broken = RequestRow { score: f32::NAN, ..row(1, Action::Block) };
    record(&writer, [broken].into_iter().chain((2..22).map(|n| row(n, Action::Allow))));
    assert_eq!(round(&mut writer, false), None);
    let health = writer.buffer.health();
    assert_eq!((health.written_rows, health.dropped_rows), (11, 10), "its batch goes with it");
    assert_eq!(requests(&writer), (11, 21));
    record(&writer, [RequestRow { score: f32::NAN, ..row(1, Action::Block) }]);
    assert_eq!(round(&mut writer, false), None);
    assert_eq!(requests(&writer), (11, 22));
}

#[tokio::test]
async fn a_dead_writer_is_told_and_keeps_nobody_waiting() {
    let (_folder, store) = fresh();
    let died: Answer<'_, ()> = store.write(|_| panic!("a fault in the writer"));
    assert!(matches!(died.await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.flush().await, Err(StoreError::Unavailable(_))));
    assert!(store.health().failing.is_some_and(|reason| reason.contains("stopped")));
    super::record(&store, [row(1, Action::Allow)]);
    assert!(store.ping().await.is_ok(), "reading goes on");
}
