//! What each submission is answered.

use crate::support::*;
use axum::body::Body;
use axum::http::Request;
use seal::note::SignedNote;

#[tokio::test]
async fn what_goes_on_is_cosigned() {
    let site = Site::new();
    let routes = site.routes();
    for (old, size) in [(0, 0), (0, 3), (3, 3), (3, 700), (700, 701)] {
        let submission = submission(old, size, 0);
        let answer = submit(&routes, &submission).await;
        assert_eq!(answer.status, 200, "{old} {size} {}", answer.body);
        let line = answer.body.strip_suffix('\n').unwrap();
        let note = SignedNote { text: submission.note.text, signatures: vec![line.parse().unwrap()] };
        let by = note.verified_by([&site.key]).unwrap();
        assert!(by[0].1.unwrap() > 1_700_000_000, "{by:?}");
    }
}

#[tokio::test]
async fn each_refusal_has_its_status() {
    let site = Site::new();
    let routes = site.routes();
    assert_eq!(submit(&routes, &submission(0, 7, 0)).await.status, 200);
    let unsigned = || {
        let mut unsigned = submission(7, 9, 0);
        unsigned.note.signatures = vec![log().named("ledger.example/t/1").unwrap().sign(&unsigned.note.text)];
        unsigned
    };
    let changed = submission(7, 9, 0).to_string().replace("\n9\n", "\n10\n");
    let unknown = submission(7, 9, 0).to_string().replace("ledger.example\n", "other.example\n");
    for (body, status) in [
        (String::new(), 400),
        (submission(7, 9, 0).to_string().replace("old 7", "old 07"), 400),
        (submission(7, 9, 0).to_string().replace("old 7", "old 10"), 400),
        (unknown, 404),
        (unsigned().to_string(), 403),
        (changed, 403),
        (submission(0, 9, 0).to_string(), 409),
        (submission(6, 9, 0).to_string(), 409),
        (submission(8, 9, 0).to_string(), 409),
        (submission(7, 7, 1).to_string(), 422),
        (submission(7, 9, 1).to_string(), 422),
        (submission(0, 7, 1).to_string(), 409),
    ] {
        let answer = post(&routes, body.clone()).await;
        assert_eq!(answer.status, status, "{body}");
        let told = answer.kind == "text/x.tlog.size" && answer.body == "7\n";
        assert_eq!(told, status == 409, "{body} {}", answer.body);
    }
    assert_eq!(post(&routes, vec![0xff; 10]).await.status, 400);
    assert_eq!(post(&routes, vec![b'a'; 300_000]).await.status, 413);
    let get = Request::get("/add-checkpoint").body(Body::empty()).unwrap();
    assert_eq!(ask(&routes, get).await.status, 405);
    // Nothing of all that was remembered.
    assert_eq!(submit(&routes, &submission(7, 9, 0)).await.status, 200);
}

/// The race of the specification, step 1 to 6: two sizes that both go on from the same one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_at_once_one_is_told_of_the_other() {
    let site = Site::new();
    let routes = site.routes();
    let mut size = 0;
    for round in 1..40 {
        let (near, far) = (submission(size, size + 1, 0), submission(size, size + 5, 0));
        let (near, far) = tokio::join!(
            tokio::spawn({
                let routes = routes.clone();
                async move { submit(&routes, &near).await }
            }),
            tokio::spawn({
                let routes = routes.clone();
                async move { submit(&routes, &far).await }
            })
        );
        let statuses = [near.unwrap().status.as_u16(), far.unwrap().status.as_u16()];
        assert!(statuses == [200, 409] || statuses == [409, 200], "{round} {statuses:?}");
        size += if statuses[0] == 200 { 1 } else { 5 };
    }
}

#[tokio::test]
async fn the_newest_checkpoint_can_be_had() {
    let site = Site::new();
    let routes = site.routes();
    let name = site.file().file_name().unwrap().to_str().unwrap().to_owned();
    let get = async |name: &str| {
        ask(&routes, Request::get(format!("/{name}/checkpoint")).body(Body::empty()).unwrap()).await
    };
    assert_eq!(get(&name).await.status, 404);
    let mut submission = submission(0, 7, 0);
    let stranger = log().named("stranger").unwrap().sign("anything");
    submission.note.signatures.push(stranger);
    assert_eq!(submit(&routes, &submission).await.status, 200);
    let note: SignedNote = get(&name).await.body.parse().unwrap();
    assert_eq!(note.text, submission.note.text);
    assert_eq!(note.verified_by([&log().verifier(), &site.key]).unwrap().len(), 2);
    assert_eq!(note.signatures.len(), 2, "the stranger's is left out");
    for wrong in ["witness", "..%2fkey", &name.to_uppercase(), &name[1..]] {
        assert_eq!(get(wrong).await.status, 404, "{wrong}");
    }
}
