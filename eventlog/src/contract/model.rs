//! Sequences of appends, right and wrong ones, against a model.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{Log, actual, after, events, stream, to, whole};
use crate::port::NewEvent;

/// Any mix of appends, wrong expectations and repeats leaves just what a list per stream would hold.
pub async fn any_sequence_of_appends_is_as_the_model_says(log: Log) {
    for seed in 0..12 {
        let mut random = StdRng::seed_from_u64(seed);
        let names: Vec<String> = (0..4).map(|_| stream()).collect();
        let mut model: Vec<Vec<NewEvent>> = vec![Vec::new(); names.len()];
        for step in 0..40 {
            let at = random.random_range(0..names.len());
            let last = (model[at].len() as u64).checked_sub(1);
            let wrong = random.random_range(0u64..8);
            match random.random_range(0..10) {
                0 | 1 if Some(wrong) != last => {
                    let refused = log.append(vec![to(&names[at], after(Some(wrong)), events(1))]).await;
                    assert_eq!(actual(refused), last, "seed {seed}, step {step}");
                }
                2 if !model[at].is_empty() => {
                    let from = random.random_range(0..model[at].len());
                    let until = random.random_range(from + 1..=model[at].len());
                    let again = model[at][from..until].to_vec();
                    let repeated = log.append(vec![to(&names[at], after(Some(wrong)), again)]).await.unwrap();
                    let revision = until as u64 - 1;
                    assert!(repeated.duplicate && repeated.streams[0].revision == revision);
                }
                3 => {
                    let other = (at + 1) % names.len();
                    let other_last = (model[other].len() as u64).checked_sub(1);
                    let (a, b) = (events(1), events(2));
                    let append = vec![
                        to(&names[at], after(last), a.clone()),
                        to(&names[other], after(other_last), b.clone()),
                    ];
                    log.append(append).await.unwrap();
                    model[at].extend(a);
                    model[other].extend(b);
                }
                _ => {
                    let new = events(random.random_range(1..4));
                    let appended = log.append(vec![to(&names[at], after(last), new.clone())]).await.unwrap();
                    model[at].extend(new);
                    assert_eq!(appended.streams[0].revision, model[at].len() as u64 - 1);
                }
            }
        }
        for (name, model) in names.iter().zip(&model) {
            let read: Vec<_> = whole(&log, name).await.into_iter().map(|event| event.id).collect();
            let want: Vec<_> = model.iter().map(|event| event.id).collect();
            assert_eq!(read, want, "seed {seed}");
        }
    }
}
