//! `select!` and `select_biased!`.
//!
//! A case becomes three things: a `match` that borrows its channel, a call that adds the operation to a
//! [`Select`](super::Select), and an arm that completes the operation and runs the body. One rule takes the cases off the input,
//! one after the other, and collects these; the last rules put them together, the `match`es around all the rest: so what an
//! expression makes on its way to a channel lives until the end. The bodies are in no closure, so `return`, `break` and `?`
//! act on the function around.

/// Waits for whichever of several sends and receives can be done first, does it, and runs its body. Of several that can be done
/// any one is chosen; [`select_biased!`](crate::channel::select_biased) chooses the one that is written first.
///
/// ```
/// use std::time::Duration;
/// use greenhub::channel::{bounded, select, unbounded};
///
/// let (requests, incoming) = unbounded();
/// let (stop, stopped) = bounded::<()>(1);
/// greenhub::spawn(move || {
///     requests.send("a request").unwrap();
///     let _other = stop;
///     greenhub::park();
/// });
/// select! {
///     recv(incoming) -> request => assert_eq!(request, Ok("a request")),
///     recv(stopped) -> _ => unreachable!("nobody stops this"),
///     default(Duration::from_secs(60)) => unreachable!("that was not long"),
/// }
/// ```
///
/// The cases are
///
/// * `recv(receiver) -> result => body`, where the result is a `Result<T, RecvError>`, and may be any pattern that fits all;
/// * `send(sender, message) -> result => body`, where the result is a `Result<(), SendError<T>>`, and the message is made only
///   when this case has been chosen;
/// * `default => body`, once at the most, if no other can be done now; or `default(timeout) => body`, if none can within that
///   time.
///
/// A body is an expression, followed by a comma unless it is a block; the whole has the value of the body that is run. There
/// may be 32 cases beside the default. Sender and receiver are expressions as well, each evaluated once, in their order; what
/// they make on the way lives as long as the whole, so a case is left out by `recv(receiver.unwrap_or(&never())) -> ..`.
///
/// ```
/// use greenhub::channel::{bounded, select};
///
/// let (sender, receiver) = bounded(1);
/// let sent = select! {
///     send(sender, 5) -> result => result.is_ok(),
///     recv(receiver) -> _ => false,
/// };
/// assert!(sent);
/// assert_eq!(receiver.recv(), Ok(5));
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __channel_select {
    ($($cases:tt)*) => {
        $crate::__channel_select_with! { new, $($cases)* }
    };
}

/// As [`select!`](crate::channel::select), but of several operations that can be done the one that is written first is chosen.
///
/// ```
/// use greenhub::channel::{select_biased, unbounded};
///
/// let (urgent, receive_urgent) = unbounded();
/// let (other, receive_other) = unbounded();
/// other.send("other").unwrap();
/// urgent.send("urgent").unwrap();
/// let first = select_biased! {
///     recv(receive_urgent) -> message => message,
///     recv(receive_other) -> message => message,
/// };
/// assert_eq!(first, Ok("urgent"));
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __channel_select_biased {
    ($($cases:tt)*) => {
        $crate::__channel_select_with! { new_biased, $($cases)* }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __channel_select_with {
    // All cases are taken.
    (@take $new:ident $select:ident $operation:ident [] $borrows:tt [$($adds:tt)*] [$($arms:tt)*] $names:tt) => {
        $crate::__channel_select_with! {
            @borrow $borrows {
                let $operation = {
                    let mut $select = $crate::channel::Select::$new();
                    $($adds)*
                    $select.select()
                };
                match $operation.index() {
                    $($arms)*
                    _ => ::core::unreachable!("no other operation was added"),
                }
            }
        }
    };
    (@take $new:ident $select:ident $operation:ident [$method:ident ($($timeout:expr)?) $default:expr] $borrows:tt [$($adds:tt)*] [$($arms:tt)*] $names:tt) => {
        $crate::__channel_select_with! {
            @borrow $borrows {
                let $operation = {
                    let mut $select = $crate::channel::Select::$new();
                    $($adds)*
                    $select.$method($($timeout)?)
                };
                match $operation {
                    ::core::result::Result::Err(_) => $default,
                    #[allow(unreachable_code, unused_variables, reason = "there may be no case but the default")]
                    ::core::result::Result::Ok($operation) => match $operation.index() {
                        $($arms)*
                        _ => ::core::unreachable!("no other operation was added"),
                    },
                }
            }
        }
    };

    // All channels are borrowed, and what their expressions have made is kept, around the rest.
    (@borrow [] $rest:block) => { $rest };
    (@borrow [$name:ident $side:ident ($channel:expr) $($borrows:tt)*] $rest:tt) => {
        match &$channel {
            borrowed => {
                let $name: &$crate::channel::$side<_> = borrowed;
                $crate::__channel_select_with! { @borrow [$($borrows)*] $rest }
            }
        }
    };

    // A body is an expression and a comma, a block, or the last.
    (@take $new:ident $select:ident $operation:ident $default:tt $borrows:tt $adds:tt $arms:tt $names:tt
        $kind:ident $(($($arguments:tt)*))? $(-> $result:pat)? => $body:expr, $($rest:tt)*
    ) => {
        $crate::__channel_select_with! {
            @$kind $new $select $operation $default $borrows $adds $arms $names
            [$(($($arguments)*))?] [$($result)?] [$body] $($rest)*
        }
    };
    (@take $new:ident $select:ident $operation:ident $default:tt $borrows:tt $adds:tt $arms:tt $names:tt
        $kind:ident $(($($arguments:tt)*))? $(-> $result:pat)? => $body:block $($rest:tt)*
    ) => {
        $crate::__channel_select_with! {
            @$kind $new $select $operation $default $borrows $adds $arms $names
            [$(($($arguments)*))?] [$($result)?] [$body] $($rest)*
        }
    };
    (@take $new:ident $select:ident $operation:ident $default:tt $borrows:tt $adds:tt $arms:tt $names:tt
        $kind:ident $(($($arguments:tt)*))? $(-> $result:pat)? => $body:expr
    ) => {
        $crate::__channel_select_with! {
            @$kind $new $select $operation $default $borrows $adds $arms $names
            [$(($($arguments)*))?] [$($result)?] [$body]
        }
    };

    (@recv $new:ident $select:ident $operation:ident $default:tt [$($borrows:tt)*] [$($adds:tt)*] [$($arms:tt)*]
        [$number:literal $name:ident $($names:tt)*] [($receiver:expr $(,)?)] [$result:pat] [$body:expr] $($rest:tt)*
    ) => {
        $crate::__channel_select_with! {
            @take $new $select $operation $default
            [$($borrows)* $name Receiver ($receiver)]
            [$($adds)* $select.recv($name);]
            [$($arms)* $number => { let $result = $operation.recv($name); $body }]
            [$($names)*] $($rest)*
        }
    };
    (@send $new:ident $select:ident $operation:ident $default:tt [$($borrows:tt)*] [$($adds:tt)*] [$($arms:tt)*]
        [$number:literal $name:ident $($names:tt)*] [($sender:expr, $message:expr $(,)?)] [$result:pat] [$body:expr] $($rest:tt)*
    ) => {
        $crate::__channel_select_with! {
            @take $new $select $operation $default
            [$($borrows)* $name Sender ($sender)]
            [$($adds)* $select.send($name);]
            [$($arms)* $number => { let $result = $operation.send($name, $message); $body }]
            [$($names)*] $($rest)*
        }
    };
    (@default $new:ident $select:ident $operation:ident [] $borrows:tt $adds:tt $arms:tt $names:tt
        [$(())?] [] [$body:expr] $($rest:tt)*
    ) => {
        $crate::__channel_select_with! {
            @take $new $select $operation [try_select () $body] $borrows $adds $arms $names $($rest)*
        }
    };
    (@default $new:ident $select:ident $operation:ident [] $borrows:tt $adds:tt $arms:tt $names:tt
        [($timeout:expr $(,)?)] [] [$body:expr] $($rest:tt)*
    ) => {
        $crate::__channel_select_with! {
            @take $new $select $operation [select_timeout ($timeout) $body] $borrows $adds $arms $names $($rest)*
        }
    };

    // What is left is wrong.
    (@recv $new:ident $select:ident $operation:ident $default:tt $borrows:tt $adds:tt $arms:tt [] $($rest:tt)*) => {
        ::core::compile_error!("`select!` takes 32 cases at the most")
    };
    (@send $new:ident $select:ident $operation:ident $default:tt $borrows:tt $adds:tt $arms:tt [] $($rest:tt)*) => {
        ::core::compile_error!("`select!` takes 32 cases at the most")
    };
    (@recv $($rest:tt)*) => {
        ::core::compile_error!("a receive is written `recv(receiver) -> result => body`")
    };
    (@send $($rest:tt)*) => {
        ::core::compile_error!("a send is written `send(sender, message) -> result => body`")
    };
    (@default $new:ident $select:ident $operation:ident [$($already:tt)+] $($rest:tt)*) => {
        ::core::compile_error!("there is more than one `default` case")
    };
    (@default $($rest:tt)*) => {
        ::core::compile_error!("the default is written `default => body` or `default(timeout) => body`")
    };
    (@take $new:ident $select:ident $operation:ident $default:tt $borrows:tt $adds:tt $arms:tt $names:tt $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "expected `recv(receiver) -> result => body`, `send(sender, message) -> result => body`, \
             `default => body` or `default(timeout) => body`, and a comma after a body that is no block; found `",
            ::core::stringify!($($rest)*),
            "`"
        ))
    };
    (@$kind:ident $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "a case begins with `recv`, `send` or `default`, not with `", ::core::stringify!($kind), "`"
        ))
    };

    ($new:ident,) => {
        ::core::compile_error!("there is no case to wait for")
    };
    ($new:ident, $($cases:tt)*) => {
        $crate::__channel_select_with! {
            @take $new select operation [] [] [] []
            [
                0 c0 1 c1 2 c2 3 c3 4 c4 5 c5 6 c6 7 c7 8 c8 9 c9 10 c10 11 c11 12 c12 13 c13 14 c14 15 c15
                16 c16 17 c17 18 c18 19 c19 20 c20 21 c21 22 c22 23 c23 24 c24 25 c25 26 c26 27 c27 28 c28
                29 c29 30 c30 31 c31
            ]
            $($cases)*
        }
    };
}

pub use crate::{__channel_select as select, __channel_select_biased as select_biased};
