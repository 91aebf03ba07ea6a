//! Checkpoints and promotions, as every backend must keep them.

use sallyport_core::ModelKind;

use super::*;

/// A checkpoint's content that differs from others by its note.
pub(in crate::store) fn content(note: &str, source: CheckpointSource) -> CheckpointContent {
    CheckpointContent {
        kind: ModelKind::GradientBoosting,
        features_version: 1,
        parent: BUILT_IN,
        seed: u64::MAX,
        source,
        made_by: "op".to_owned(),
        note: note.to_owned(),
        data_fingerprint: Some([9; 32]),
        data: r#"{"rows":20}"#.to_owned(),
        settings: r#"{"epochs":3}"#.to_owned(),
        metrics: r#"{"roc_auc":0.9}"#.to_owned(),
        histograms: "{}".to_owned(),
        model: vec![0, 1, 2, 255],
        state: Some(vec![7; 40]),
    }
}

pub(in crate::store) fn promotion_of(checkpoint: i64) -> Promote {
    Promote { checkpoint, by: "op".to_owned(), reason: "better".to_owned(), only_after: None }
}

async fn saved(store: &dyn Store, note: &str, source: CheckpointSource) -> i64 {
    store.save_checkpoint(content(note, source), NOW_MS).await.expect("stored")
}

async fn promoted(store: &dyn Store, checkpoint: i64) -> Promotion {
    match store.promote(promotion_of(checkpoint), NOW_MS).await {
        Ok(PromoteOutcome::Promoted(promotion)) => promotion,
        other => panic!("not promoted: {other:?}"),
    }
}

async fn judging(store: &dyn Store) -> i64 {
    store.in_force().await.expect("readable").promotion.map_or(BUILT_IN, |promotion| promotion.checkpoint)
}

/// A checkpoint comes back as it was stored.
pub(in crate::store) async fn checkpoints_are_kept_whole(store: &dyn Store) {
    assert_eq!(store.checkpoints().await, Ok(Vec::new()));
    assert_eq!(store.checkpoint(BUILT_IN).await, Ok(None));
    let first = saved(store, "first", CheckpointSource::Train).await;
    let bare = CheckpointContent {
        state: None,
        data_fingerprint: None,
        parent: first,
        ..content("second", CheckpointSource::Import)
    };
    let second = store.save_checkpoint(bare.clone(), NOW_MS + 1).await.expect("stored");
    assert!(second > first && first > BUILT_IN);
    let expected = Checkpoint { id: second, created_ms: NOW_MS + 1, content: bare };
    assert_eq!(store.checkpoint(second).await, Ok(Some(expected)));
    let whole = store.checkpoint(first).await.expect("readable").expect("there");
    assert_eq!(whole.content, content("first", CheckpointSource::Train));
    let list = store.checkpoints().await.expect("readable");
    assert_eq!(list.iter().map(|summary| summary.id).collect::<Vec<_>>(), [second, first]);
    let expected = CheckpointSummary {
        id: second,
        created_ms: NOW_MS + 1,
        kind: ModelKind::GradientBoosting,
        parent: first,
        source: CheckpointSource::Import,
        made_by: "op".to_owned(),
        note: "second".to_owned(),
        metrics: r#"{"roc_auc":0.9}"#.to_owned(),
        model_bytes: 4,
    };
    assert_eq!(list[0], expected);
}

/// The newest promotion says who judges; what cannot be promoted changes nothing.
pub(in crate::store) async fn the_newest_promotion_counts(store: &dyn Store) {
    assert_eq!(store.in_force().await, Ok(InForce::default()));
    let (one, two) =
        (saved(store, "1", CheckpointSource::Train).await, saved(store, "2", CheckpointSource::Online).await);
    let first = promoted(store, one).await;
    assert_eq!((first.previous, first.restores, first.by.as_str()), (BUILT_IN, None, "op"));
    assert_eq!(store.promote(promotion_of(one), NOW_MS).await, Ok(PromoteOutcome::AlreadyActive));
    assert_eq!(store.promote(promotion_of(999), NOW_MS).await, Ok(PromoteOutcome::UnknownCheckpoint));
    let late = Promote { only_after: Some(0), ..promotion_of(two) };
    assert_eq!(store.promote(late, NOW_MS).await, Ok(PromoteOutcome::Overtaken));
    assert_eq!(judging(store).await, one);
    let next = Promote { only_after: Some(first.id), ..promotion_of(two) };
    let Ok(PromoteOutcome::Promoted(second)) = store.promote(next, NOW_MS + 1).await else {
        panic!("nothing came between");
    };
    assert_eq!((second.previous, judging(store).await), (one, two));
    assert_eq!(store.promotions(10).await, Ok(vec![second.clone(), first]));
    assert_eq!(store.promotions(1).await, Ok(vec![second]));
}

/// Each rollback goes one promotion further back, to the model that ships at last; then there is nothing.
pub(in crate::store) async fn rollbacks_go_back_step_by_step(store: &dyn Store) {
    let back = || store.rollback("op".to_owned(), "worse".to_owned(), NOW_MS);
    assert_eq!(back().await, Ok(None));
    let (one, two, three) = (
        saved(store, "1", CheckpointSource::Train).await,
        saved(store, "2", CheckpointSource::Train).await,
        saved(store, "3", CheckpointSource::Train).await,
    );
    let first = promoted(store, one).await;
    promoted(store, two).await;
    let rolled = back().await.expect("stored").expect("something to go back to");
    assert_eq!((rolled.checkpoint, rolled.previous, rolled.restores), (one, two, Some(first.id)));
    promoted(store, three).await;
    for expected in [one, BUILT_IN] {
        assert_eq!(back().await.expect("stored").map(|promotion| promotion.checkpoint), Some(expected));
        assert_eq!(judging(store).await, expected);
    }
    assert_eq!(back().await, Ok(None));
    promoted(store, two).await;
    assert_eq!(back().await.expect("stored").map(|promotion| promotion.checkpoint), Some(BUILT_IN));
}

/// Promoting the built-in model is a promotion like others, and so can be undone.
pub(in crate::store) async fn the_model_that_ships_can_be_promoted(store: &dyn Store) {
    assert_eq!(store.promote(promotion_of(BUILT_IN), NOW_MS).await, Ok(PromoteOutcome::AlreadyActive));
    let one = saved(store, "1", CheckpointSource::Train).await;
    promoted(store, one).await;
    promoted(store, BUILT_IN).await;
    assert_eq!(judging(store).await, BUILT_IN);
    let back = store.rollback("op".to_owned(), "worse".to_owned(), NOW_MS).await.expect("stored");
    assert_eq!(back.map(|promotion| promotion.checkpoint), Some(one));
}

/// One checkpoint looks on; when it is promoted, nothing looks on, also after a rollback.
pub(in crate::store) async fn a_shadow_ends_with_its_promotion(store: &dyn Store) {
    let (one, two) =
        (saved(store, "1", CheckpointSource::Train).await, saved(store, "2", CheckpointSource::Train).await);
    let shadow = async || store.in_force().await.expect("readable").shadow;
    assert_eq!(store.set_shadow(Some(999)).await, Ok(false));
    assert_eq!(shadow().await, None);
    assert_eq!(store.set_shadow(Some(one)).await, Ok(true));
    promoted(store, two).await;
    assert_eq!(shadow().await, Some(one), "another one was promoted");
    promoted(store, one).await;
    assert_eq!(shadow().await, None);
    store.rollback("op".to_owned(), "worse".to_owned(), NOW_MS).await.expect("stored");
    assert_eq!(shadow().await, None);
    assert_eq!(store.set_shadow(Some(BUILT_IN)).await, Ok(true));
    assert_eq!(shadow().await, Some(BUILT_IN));
    assert_eq!(store.set_shadow(None).await, Ok(true));
    assert_eq!(shadow().await, None);
}

/// What judges, looks on or was promoted by hand stays; steps of online learning and unused ones leave by number.
pub(in crate::store) async fn unused_checkpoints_leave_by_number(store: &dyn Store) {
    use CheckpointSource::{Online, Train};
    let mut ids = Vec::new();
    for source in [Train, Train, Train, Online, Online, Online, Online, Train, Online] {
        ids.push(saved(store, "", source).await);
    }
    let (by_hand, unused, shadow, left, judges) = (ids[0], ids[1], ids[2], ids[3], ids[5]);
    promoted(store, by_hand).await;
    promoted(store, left).await;
    promoted(store, judges).await;
    store.set_shadow(Some(shadow)).await.expect("stored");
    assert_eq!(store.prune_checkpoints(1).await, Ok(4));
    let stay: Vec<i64> = store.checkpoints().await.expect("readable").iter().map(|kept| kept.id).collect();
    assert_eq!(stay, [ids[8], ids[7], judges, shadow, by_hand], "{unused} and {left} are gone");
    let back = store.rollback("op".to_owned(), "worse".to_owned(), NOW_MS).await.expect("stored");
    assert_eq!(back.map(|promotion| promotion.checkpoint), Some(by_hand), "over the one that has left");
    assert_eq!(store.prune_checkpoints(1).await, Ok(1), "what judged may leave now");
    let again = saved(store, "", Online).await;
    assert!(again > ids[8], "numbers are never given twice");
}
