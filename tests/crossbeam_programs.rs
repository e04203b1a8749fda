//! Programs as they are written for std's threads and crossbeam-channel: only the paths are others. Each runs on OS threads, with
//! `std::thread`, and on greenlets, with `greenhub` in its place.

mod common;

use common::Watchdog;

macro_rules! programs {
    ($name:ident, $thread:path) => {
        mod $name {
            use std::collections::BTreeSet;
            use std::time::{Duration, Instant};

            use greenhub::channel as crossbeam_channel;
            use $thread as thread;

            use crossbeam_channel::{
                Receiver, RecvError, RecvTimeoutError, Select, SendTimeoutError, Sender,
                TryRecvError, TrySendError, after, bounded, never, select, select_biased, tick,
                unbounded,
            };

            use super::Watchdog;

            /// Both sides meet at each number.
            #[test]
            fn fibonacci() {
                let _watchdog = Watchdog::new();
                fn fibonacci(sender: Sender<u64>) {
                    let (mut x, mut y) = (0, 1);
                    while sender.send(x).is_ok() {
                        (x, y) = (y, x + y);
                    }
                }
                let (sender, receiver) = bounded(0);
                let producer = thread::spawn(move || fibonacci(sender));
                let numbers: Vec<u64> = receiver.iter().take(10).collect();
                assert_eq!(numbers, [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]);
                drop(receiver);
                producer.join().unwrap();
            }

            /// An odd number of people send or receive, whatever comes first, and one finds nobody.
            #[test]
            fn matching() {
                let _watchdog = Watchdog::new();
                let people = ["Anna", "Bob", "Cody", "Dave", "Eva"];
                let (sender, receiver) = bounded(1);
                let (met, meetings) = unbounded();
                thread::scope(|scope| {
                    for name in people {
                        let (sender, receiver, met) =
                            (sender.clone(), receiver.clone(), met.clone());
                        scope.spawn(move || {
                            select! {
                                recv(receiver) -> peer => met.send((name, peer.unwrap())).unwrap(),
                                send(sender, name) -> sent => sent.unwrap(),
                            }
                        });
                    }
                });
                drop(met);
                let mut seen = BTreeSet::new();
                for (one, other) in meetings {
                    assert!(seen.insert(one) && seen.insert(other));
                }
                seen.insert(receiver.try_recv().unwrap());
                assert_eq!(seen.len(), people.len());
            }

            #[test]
            fn workers_share_a_receiver() {
                let _watchdog = Watchdog::new();
                let (jobs, to_do) = bounded::<u64>(4);
                let (results, done) = unbounded();
                thread::scope(|scope| {
                    for _ in 0..3 {
                        let (to_do, results) = (to_do.clone(), results.clone());
                        scope.spawn(move || {
                            for job in &to_do {
                                results.send(job * job).unwrap();
                            }
                        });
                    }
                    drop((to_do, results));
                    (1..=100).for_each(|job| jobs.send(job).unwrap());
                    drop(jobs);
                    assert_eq!(done.iter().sum::<u64>(), 338_350);
                });
            }

            #[test]
            fn ticks_until_a_deadline() {
                let _watchdog = Watchdog::new();
                let began = Instant::now();
                let ticker = tick(Duration::from_millis(5));
                let end = after(Duration::from_millis(50));
                let mut ticks = 0;
                // However late this thread is: the tick goes first.
                let ended = loop {
                    select_biased! {
                        recv(ticker) -> at => {
                            assert!(at.unwrap() >= began);
                            ticks += 1;
                        }
                        recv(end) -> at => break at.unwrap(),
                    }
                };
                assert!(ended >= began + Duration::from_millis(50));
                assert!(ticks >= 1);
            }

            /// The bodies act on the function around, and an optional channel is `never`.
            #[test]
            fn a_body_returns_and_breaks() {
                let _watchdog = Watchdog::new();
                fn next(
                    numbers: &Receiver<u32>,
                    words: Option<&Receiver<String>>,
                ) -> Result<u32, RecvError> {
                    let none = never();
                    loop {
                        select_biased! {
                            recv(words.unwrap_or(&none)) -> word => {
                                if word?.is_empty() {
                                    continue;
                                }
                                return Ok(0);
                            }
                            recv(numbers) -> number => break number,
                            default(Duration::from_secs(60)) => panic!("nothing has come"),
                        }
                    }
                }
                let (number, numbers) = unbounded();
                let (word, words) = unbounded();
                let sender = thread::spawn(move || {
                    word.send(String::new()).unwrap();
                    word.send("a word".to_owned()).unwrap();
                    number.send(7).unwrap();
                });
                assert_eq!(next(&numbers, Some(&words)), Ok(0));
                assert_eq!(next(&numbers, None), Ok(7));
                sender.join().unwrap();
                assert_eq!(next(&numbers, Some(&words)), Err(RecvError));
            }

            #[test]
            fn a_list_of_any_length_is_selected_from() {
                let _watchdog = Watchdog::new();
                let (senders, receivers): (Vec<_>, Vec<_>) = (0..40).map(|_| unbounded()).unzip();
                let handles: Vec<_> = senders
                    .into_iter()
                    .enumerate()
                    .map(|(i, sender)| thread::spawn(move || sender.send(i).unwrap()))
                    .collect();
                let mut select = Select::new();
                for receiver in &receivers {
                    select.recv(receiver);
                }
                for _ in 0..receivers.len() {
                    let operation = select.select();
                    let index = operation.index();
                    assert_eq!(operation.recv(&receivers[index]), Ok(index));
                    select.remove(index);
                }
                for handle in handles {
                    handle.join().unwrap();
                }
            }

            /// What an expression makes on its way to a channel lives as long as the whole.
            #[test]
            fn a_case_may_borrow_from_a_temporary() {
                let _watchdog = Watchdog::new();
                fn next(words: Option<&Receiver<u8>>, full: Option<&Sender<u8>>) -> Option<u8> {
                    let shared = std::sync::Mutex::new((unbounded().1, 7));
                    let sender = std::cell::RefCell::new(bounded(0).0);
                    select! {
                        recv(words.unwrap_or(&never())) -> word => word.ok(),
                        recv(shared.try_lock().unwrap().0) -> never_sent => {
                            // The guard is still there, and the body may see that.
                            assert!(shared.try_lock().is_err());
                            never_sent.ok().or(Some(0))
                        }
                        send(full.unwrap_or(&bounded(0).0), 1) -> sent => sent.ok().map(|()| 1),
                        send(sender.borrow().clone(), 2) -> _ => None,
                    }
                }
                let (word, words) = unbounded();
                let (full, _filled) = bounded(1);
                full.send(0).unwrap();
                word.send(5).unwrap();
                let mut seen = BTreeSet::new();
                while seen.len() < 3 {
                    seen.insert(next(Some(&words), Some(&full)));
                    let _ = word.try_send(5);
                }
                // A channel whose other side is gone is ready.
                assert_eq!(seen, [None, Some(0), Some(5)].into());
                let message = select_biased! {
                    recv(Some(&words).filter(|_| false).unwrap_or(&never())) -> word => word,
                    recv({ let same = &words; same.clone() }) -> word => word,
                    default(Duration::from_secs(60)) => Ok(0),
                };
                assert_eq!(message, Ok(5));
            }

            #[test]
            fn errors_give_the_message_back() {
                let (sender, receiver) = bounded(1);
                let moment = Duration::from_millis(1);
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
                assert_eq!(
                    receiver.recv_timeout(moment),
                    Err(RecvTimeoutError::Timeout)
                );
                sender.send("first").unwrap();
                assert_eq!(sender.try_send("second"), Err(TrySendError::Full("second")));
                let timed_out = sender.send_timeout("second", moment);
                assert_eq!(timed_out, Err(SendTimeoutError::Timeout("second")));
                assert!(sender.is_full() && sender.same_channel(&sender.clone()));
                drop(receiver);
                let error = sender.send("third").unwrap_err();
                assert_eq!(error.to_string(), "sending on a disconnected channel");
                assert_eq!(error.into_inner(), "third");
            }
        }
    };
}

programs!(on_threads, std::thread);
programs!(on_greenlets, greenhub);
