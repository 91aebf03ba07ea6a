//! Entries of the allow and deny lists, as every backend must keep them.

use super::*;

pub(in crate::store) fn deny(kind: ListKind, value: &str) -> NewListEntry {
    NewListEntry {
        action: ListAction::Deny,
        kind,
        value: value.to_owned(),
        reason: "scans".to_owned(),
        author: "op".to_owned(),
        expires_ms: 0,
    }
}

fn address(number: u32) -> NewListEntry {
    deny(ListKind::Address, &std::net::Ipv4Addr::from_bits(0x0A00_0000 + number).to_string())
}

async fn add(store: &dyn Store, entries: Vec<NewListEntry>, now_ms: u64) -> Vec<(Uuid, bool)> {
    match store.add_list_entries(entries, now_ms).await {
        Ok(ListAddition::Stored(stored)) => stored,
        other => panic!("not stored: {other:?}"),
    }
}

async fn all(store: &dyn Store, now_ms: u64) -> Vec<ListRow> {
    store.list_entries(ListFilter::default(), None, u32::MAX, now_ms).await.expect("readable")
}

async fn number(store: &dyn Store) -> u64 {
    store.list_counts(NOW_MS).await.expect("readable").iter().map(|count| count.entries).sum()
}

/// Adding what is there renews it under its id; what changes nothing is no change; after a removal it is a new one.
pub(in crate::store) async fn entries_are_kept_once(store: &dyn Store) {
    let first = deny(ListKind::UserAgent, "BadBot/*");
    let allow = NewListEntry { action: ListAction::Allow, ..first.clone() };
    let stored = add(store, vec![first.clone(), allow.clone(), first.clone()], NOW_MS).await;
    let id = stored[0].0;
    assert_eq!(stored.iter().map(|(_, is_new)| *is_new).collect::<Vec<_>>(), [true, true, false]);
    assert!(stored[2].0 == id && stored[1].0 > id);
    assert_eq!(store.list_revision().await, Ok(2));
    let renewed = NewListEntry { reason: "still".to_owned(), expires_ms: NOW_MS + 50, ..first.clone() };
    // The clock was set back.
    assert_eq!(add(store, vec![renewed.clone()], NOW_MS - 10).await, [(id, false)]);
    let filter = ListFilter { id: Some(id), ..ListFilter::default() };
    let row = store.list_entries(filter.clone(), None, 9, NOW_MS).await.expect("readable").remove(0);
    assert_eq!((row.created_ms, row.updated_ms, row.deleted_ms), (NOW_MS, NOW_MS + 1, None));
    assert_eq!(row.entry, renewed);

    assert_eq!(store.remove_list_entries(filter.clone(), NOW_MS).await, Ok(vec![id]));
    assert_eq!(store.remove_list_entries(filter, NOW_MS).await, Ok(Vec::new()));
    let again = add(store, vec![first], NOW_MS + 1).await;
    assert!(again[0].1 && again[0].0 > stored[1].0);
    assert_eq!(all(store, NOW_MS + 1).await.len(), 2);
}

/// One entry too many of a kind, and none of its company is stored.
pub(in crate::store) async fn all_or_none_are_added(store: &dyn Store) {
    let paths = |count: u64| -> Vec<_> {
        (0..count).map(|number| deny(ListKind::Path, &format!("/{number}"))).collect()
    };
    let company = [vec![address(1)], paths(MOST_PATTERNS + 1)].concat();
    let refused = store.add_list_entries(company, NOW_MS).await;
    assert_eq!(refused, Ok(ListAddition::TooMany { kind: Some(ListKind::Path), most: MOST_PATTERNS }));
    assert_eq!((all(store, NOW_MS).await, store.list_revision().await), (Vec::new(), Ok(0)));
    add(store, paths(MOST_PATTERNS), NOW_MS).await;
    // A renewal takes no room.
    add(store, paths(MOST_PATTERNS), NOW_MS + 1).await;
    assert_eq!(number(store).await, MOST_PATTERNS);
}

/// There are at most so many entries over all.
pub(in crate::store) async fn there_is_a_bound(store: &dyn Store) {
    let half = u32::try_from(MOST_ENTRIES / 2).expect("small");
    add(store, (0..half).map(address).collect(), NOW_MS).await;
    add(store, (half..2 * half).map(address).collect(), NOW_MS).await;
    let refused = store.add_list_entries(vec![address(2 * half)], NOW_MS).await;
    assert_eq!(refused, Ok(ListAddition::TooMany { kind: None, most: MOST_ENTRIES }));
    let gone = ListFilter { value: Some("10.0.0.7".to_owned()), ..ListFilter::default() };
    assert_eq!(store.remove_list_entries(gone, NOW_MS).await.map(|ids| ids.len()), Ok(1));
    add(store, vec![address(2 * half)], NOW_MS).await;
    assert_eq!(number(store).await, MOST_ENTRIES);
}

/// Page after page gives each entry once, newest first, also while others come.
pub(in crate::store) async fn pages_cover_everything_once(store: &dyn Store) {
    let ids: Vec<Uuid> =
        add(store, (0..25).map(address).collect(), NOW_MS).await.into_iter().map(|(id, _)| id).collect();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.list_entries(ListFilter::default(), after, 10, NOW_MS).await.expect("readable");
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.into_iter().map(|row| row.id));
        add(store, vec![address(100 + u32::try_from(seen.len()).expect("small"))], NOW_MS).await;
    }
    seen.reverse();
    assert_eq!(seen, ids);
}

/// Each part of a filter counts, and special characters stand for themselves.
pub(in crate::store) async fn filters_are_exact(store: &dyn Store) {
    let other = NewListEntry { author: "other".to_owned(), reason: "50% off".to_owned(), ..address(3) };
    let allow = NewListEntry { action: ListAction::Allow, ..deny(ListKind::UserAgent, "Uptime_Check") };
    add(store, vec![address(1), deny(ListKind::Range, "10.0.0.0/24"), other, allow], NOW_MS).await;
    let filter = ListFilter::default;
    for (filter, expected) in [
        (ListFilter { action: Some(ListAction::Allow), ..filter() }, &["Uptime_Check"][..]),
        (ListFilter { kind: Some(ListKind::Address), ..filter() }, &["10.0.0.3", "10.0.0.1"]),
        (ListFilter { author: Some("other".to_owned()), ..filter() }, &["10.0.0.3"]),
        (ListFilter { value: Some("10.0.0".to_owned()), ..filter() }, &[]),
        (
            ListFilter { contains: Some("10.0.0".to_owned()), ..filter() },
            &["10.0.0.3", "10.0.0.0/24", "10.0.0.1"],
        ),
        (ListFilter { contains: Some("50% OFF".to_owned()), ..filter() }, &["10.0.0.3"]),
        (ListFilter { contains: Some("e_c".to_owned()), ..filter() }, &["Uptime_Check"]),
        (ListFilter { contains: Some("5%o".to_owned()), ..filter() }, &[]),
    ] {
        let rows = store.list_entries(filter.clone(), None, 10, NOW_MS).await.expect("readable");
        let values: Vec<_> = rows.iter().map(|row| row.entry.value.as_str()).collect();
        assert_eq!(values, expected, "{filter:?}");
    }
    let values = vec![
        (ListKind::Range, "10.0.0.0/24".to_owned()),
        (ListKind::Address, "10.0.0.1".to_owned()),
        (ListKind::Address, "10.0.0.0/24".to_owned()),
    ];
    let rows = store.list_entries_of(values, NOW_MS).await.expect("readable");
    assert_eq!(
        rows.iter().map(|row| row.entry.kind).collect::<Vec<_>>(),
        [ListKind::Address, ListKind::Range]
    );
}

/// An expired entry counts no longer and takes no room; what ended long ago is forgotten, what did not is not.
pub(in crate::store) async fn entries_expire_and_are_forgotten(store: &dyn Store) {
    let until = |number, expires_ms| NewListEntry { expires_ms, ..address(number) };
    let soon = until(1, NOW_MS + 10);
    add(store, vec![soon.clone(), until(2, NOW_MS + 20), address(3), address(4)], NOW_MS).await;
    let count = |entries, next_expiry_ms| {
        Ok(vec![ListCount { action: ListAction::Deny, kind: ListKind::Address, entries, next_expiry_ms }])
    };
    assert_eq!(store.list_counts(NOW_MS + 9).await, count(4, Some(NOW_MS + 10)));
    assert_eq!(store.list_counts(NOW_MS + 10).await, count(3, Some(NOW_MS + 20)));
    assert_eq!(store.list_counts(NOW_MS + 20).await, count(2, None));
    assert_eq!(all(store, NOW_MS + 20).await.len(), 2);
    let removed = ListFilter { value: Some(address(3).value), ..ListFilter::default() };
    store.remove_list_entries(removed, NOW_MS + 30).await.expect("stored");
    assert!(add(store, vec![soon.clone()], NOW_MS + 31).await[0].1, "what had expired is new");

    assert_eq!(store.prune_list_entries(NOW_MS + TOMBSTONE_MS + 9).await, Ok(0));
    assert_eq!(store.prune_list_entries(NOW_MS + TOMBSTONE_MS + 29).await, Ok(2));
    assert_eq!(store.prune_list_entries(NOW_MS + TOMBSTONE_MS + 30).await, Ok(1));
    let (_, left) = store.list_changes(0, 10).await.expect("readable");
    assert_eq!(left.iter().map(|row| row.entry.clone()).collect::<Vec<_>>(), [address(4)]);
}

/// Whoever looks with the revision it knows sees each change once, removals too.
pub(in crate::store) async fn changes_are_numbered(store: &dyn Store) {
    assert_eq!(store.list_changes(0, 10).await, Ok((0, Vec::new())));
    add(store, (0..5).map(address).collect(), NOW_MS).await;
    let (revision, rows) = store.list_changes(0, 3).await.expect("readable");
    assert_eq!((revision, rows.len()), (3, 3));
    let gone = ListFilter { value: Some("10.0.0.1".to_owned()), ..ListFilter::default() };
    store.remove_list_entries(gone, NOW_MS + 1).await.expect("stored");
    let (revision, rows) = store.list_changes(revision, 10).await.expect("readable");
    assert_eq!(store.list_revision().await, Ok(revision));
    let changed: Vec<_> = rows.iter().map(|row| (row.entry.value.as_str(), row.deleted_ms)).collect();
    assert_eq!(changed, [("10.0.0.3", None), ("10.0.0.4", None), ("10.0.0.1", Some(NOW_MS + 1))]);
    assert_eq!(store.list_changes(revision, 10).await, Ok((revision, Vec::new())));
}

fn version(entry: NewListEntry, id: u128, updated_ms: u64) -> ListRow {
    ListRow { id: Uuid::from_u128(id), created_ms: NOW_MS, updated_ms, deleted_ms: None, entry }
}

/// In whatever order versions of an entry come, the same one stays.
pub(in crate::store) async fn replicas_agree_on_the_newest(store: &dyn Store) {
    let newest = version(address(1), 3, NOW_MS + 5);
    let removed = ListRow { deleted_ms: Some(NOW_MS + 5), ..newest.clone() };
    let versions =
        [version(address(1), 9, NOW_MS + 4), removed.clone(), newest, version(address(1), 2, NOW_MS + 5)];
    for start in 0..versions.len() {
        for version in versions.iter().cycle().skip(start).take(versions.len()) {
            store.merge_list_entries(vec![version.clone()], NOW_MS).await.expect("stored");
        }
        let (_, rows) = store.list_changes(0, 10).await.expect("readable");
        assert_eq!(rows, std::slice::from_ref(&removed), "of equal times the removal counts");
    }
    let merge = store.merge_list_entries(versions[..2].to_vec(), NOW_MS).await.expect("stored");
    assert_eq!(merge, ListMerge { changed: 0, newer_here: vec![removed.clone()], left_out: 0 });
    // Somebody else's id.
    let thief = ListRow { entry: address(2), ..removed };
    let merge = store.merge_list_entries(vec![thief], NOW_MS).await.expect("stored");
    assert_eq!((merge.changed, merge.left_out), (0, 1));
}

/// An old version of an entry that was removed stays out, and so does what everybody else has forgotten.
pub(in crate::store) async fn a_replica_cannot_bring_back_what_was_removed(store: &dyn Store) {
    add(store, vec![address(1)], NOW_MS).await;
    let old = all(store, NOW_MS).await.remove(0);
    store.remove_list_entries(ListFilter::default(), NOW_MS + 1).await.expect("stored");
    let merge = store.merge_list_entries(vec![old.clone()], NOW_MS + 2).await.expect("stored");
    assert!(merge.changed == 0 && merge.newer_here[0].deleted_ms == Some(NOW_MS + 1), "{merge:?}");
    let tombstone = ListRow { deleted_ms: Some(NOW_MS), ..version(address(2), 2, NOW_MS) };
    let late = NOW_MS + TOMBSTONE_MS;
    let merge = store.merge_list_entries(vec![tombstone], late).await.expect("stored");
    assert_eq!(merge, ListMerge::default());
    assert_eq!(all(store, NOW_MS + 2).await, []);
}

/// Replicas together may have more than one may; the bound holds, and tombstones always come through.
pub(in crate::store) async fn merging_keeps_the_bound(store: &dyn Store) {
    let patterns = MOST_PATTERNS as u128;
    let pattern = |id: u128| version(deny(ListKind::UserAgent, &format!("bot {id}")), id, NOW_MS);
    let merge =
        store.merge_list_entries((1..=patterns + 2).map(pattern).collect(), NOW_MS).await.expect("stored");
    assert_eq!((merge.changed, merge.left_out), (MOST_PATTERNS, 2));
    let gone = ListRow { deleted_ms: Some(NOW_MS + 1), updated_ms: NOW_MS + 1, ..pattern(1) };
    let merge = store.merge_list_entries(vec![gone, pattern(patterns + 1)], NOW_MS).await.expect("stored");
    assert_eq!((merge.changed, merge.left_out), (2, 0));
    assert_eq!(number(store).await, MOST_PATTERNS);
}
