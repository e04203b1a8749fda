#!/usr/bin/env bash
# Shows that the models can fail: breaks one protocol after the other, in a copy of the tree, and runs the model that must
# notice. It takes some ten minutes. Run it from anywhere: loom-tests/mutate.sh [PART-OF-A-NAME]
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=${1:-}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/mutations"
tar --exclude=./target --exclude=./.git -c . | tar -x -C "$copy"
caught=0 missed=0

# mutate NAME FILE MODEL SUBSTITUTION: the SUBSTITUTION is Perl's, over the whole file; MODEL is a part of test names.
mutate() {
    local name=$1 file=$2 model=$3 substitution=$4 output failures status=0
    [[ "$name" == *"$wanted"* ]] || return 0
    cp "$copy/$file" "$copy/original"
    perl -0pi -e "$substitution" "$copy/$file"
    if cmp -s "$copy/original" "$copy/$file"; then
        echo "CHANGES NOTHING  $name"
        missed=$((missed + 1))
        return 0
    fi
    output=$(cd "$copy" && RUST_BACKTRACE=0 timeout 300 cargo test --quiet --release -p greenhub-loom-tests -- "$model" 2>&1) || status=$?
    # Loom's own cleanup panics after a deadlock, and the process aborts: a failure like any other.
    failures=$(sed -n "s/^thread 'models::\([^']*\)'.* panicked at .*/\1/p" <<<"$output" | sort -u | paste -sd ' ')
    if [[ -n "$failures" ]]; then
        echo "caught           $name: $failures"
        caught=$((caught + 1))
    else
        echo "NOT CAUGHT       $name (status $status)"
        grep -m 5 -A 5 '^error' <<<"$output" || true
        missed=$((missed + 1))
    fi
    mv "$copy/original" "$copy/$file"
}

state=src/greenlet/state.rs
mutate 'state: a park is committed over a token' $state parking 's/if word & TOKEN != 0 \{/if false {/'
mutate 'state: a step does not publish' $state parking 's/next, Ordering::AcqRel, Ordering::Acquire/next, Ordering::Acquire, Ordering::Acquire/'
mutate 'state: a step does not acquire' $state parking 's/next, Ordering::AcqRel, Ordering::Acquire/next, Ordering::Release, Ordering::Relaxed/; s/let mut word = self.0.load\(Ordering::Acquire\);\n        loop \{\n            let \(next, outcome\)/let mut word = self.0.load(Ordering::Relaxed);\n        loop {\n            let (next, outcome)/'
mutate 'state: a taken token does not acquire' $state parking 's/fetch_and\(!bit, Ordering::AcqRel\)/fetch_and(!bit, Ordering::Relaxed)/'
mutate 'state: a wake-up leaves it parked' $state parking 's/PARKED => \(Some\(with_life\(word, ACTIVE\) \| also\), Wake::Schedule\)/PARKED => (Some(word | TOKEN | also), Wake::Schedule)/'
mutate 'state: a wake-up of an active greenlet leaves no token' $state parking 's/_ => \(Some\(word \| TOKEN \| also\), Wake::Nothing\)/_ => (Some(word | also), Wake::Nothing)/'
mutate 'state: a wake-up of a parked greenlet leaves no permit' $state parking 's/with_life\(word, ACTIVE\) \| also\)/with_life(word, ACTIVE))/'
mutate 'state: the end is not final' $state 'that_ends' 's/self.0.store\(DONE, Ordering::Release\)/self.0.store(PARKED, Ordering::Release)/'
mutate 'state: a park is committed over a kill' $state killing 's/\} else if kill_is_due\(word\) \{/} else if false {/'
mutate 'state: a kill ends a shielded park' $state killing 's/PARKED if word & SHIELD == 0 =>/PARKED =>/'
mutate 'state: a kill leaves it parked' $state killing 's/\(Some\(with_life\(word, ACTIVE\) \| KILL\), Kill::Schedule\)/(Some(word | KILL), Kill::Schedule)/'
mutate 'state: a killed fresh greenlet starts' $state killing 's/\(Some\(with_life\(word, DONE\) \| KILL\), Kill::Cancel\)/(Some(word | KILL), Kill::Cancel)/'
mutate 'state: a cancellation does not claim the closure' $state killing 's/FRESH => \(Some\(with_life\(word, DONE\)\), true\)/FRESH => (None, true)/'
mutate 'state: a blocked thread is not woken' $state blocking 's/_ if word & BLOCKED != 0 =>/_ if false =>/'

join=src/greenlet/join_cell.rs
mutate 'state: a kill wakes a completed greenlet' $state 'joining::a_completed' 's/PARKED if word & SHIELD == 0 =>/PARKED =>/'
mutate 'join: the end does not publish the output' $join joining 's/fetch_add\(COMPLETE, Ordering::AcqRel\)/fetch_add(COMPLETE, Ordering::Acquire)/'
mutate 'join: the end does not acquire the waiter' $join joining 's/fetch_add\(COMPLETE, Ordering::AcqRel\)/fetch_add(COMPLETE, Ordering::Release)/'
mutate 'join: the waiter is not published' $join joining 's/fetch_add\(WAITING, Ordering::AcqRel\)/fetch_add(WAITING, Ordering::Acquire)/'
mutate 'join: no look after the waiter is left' $join joining 's/if before & COMPLETE == 0 \{\n            return Ok/if true {\n            return Ok/'
mutate 'join: a waiter is withdrawn that the end has seen' $join joining 's/if word & COMPLETE != 0 \|\| word & WAITING == 0/if word & WAITING == 0/'
mutate 'join: the end does not see that the handle is gone' $join joining 's/if before & DETACHED != 0 \{/if false {/'
mutate 'join: the handle does not see the end' $join joining 's/fetch_add\(DETACHED, Ordering::AcqRel\) & COMPLETE != 0/fetch_add(DETACHED, Ordering::AcqRel) & COMPLETE == 8/'
mutate 'join: a dropped handle does not acquire the output' $join joining 's/fetch_add\(DETACHED, Ordering::AcqRel\)/fetch_add(DETACHED, Ordering::Release)/'

queue=src/wait/wait_queue
mutate 'wait queue: no fence before the look' $queue/queue.rs waiting 's/(fn enter<R>.*?)fence\(Ordering::SeqCst\);/$1/s'
mutate 'wait queue: the look comes before the list' $queue/queue.rs waiting 's/locked\.link\(node, at_front\);(.*?)let ready = look\(&mut locked, node\);/$1let ready = look(&mut locked, node); locked.link(node, at_front);/s'
mutate 'wait queue: a completion does not publish' $queue/ticket.rs locks 's/completed, Ordering::Release, Ordering::Relaxed/completed, Ordering::Relaxed, Ordering::Relaxed/'
mutate 'wait queue: a waiter does not acquire' $queue/ticket.rs locks 's/self\.0\.load\(Ordering::Acquire\)/self.0.load(Ordering::Relaxed)/'
mutate 'wait queue: the end of the time delivers what is due' $queue/queue.rs conditions 's/give_way_quietly\(\);/crate::wait::give_way();/'
mutate 'wait queue: a waiter withdraws from what was completed' $queue/queue.rs waiting 's/if !ticket\.withdraw\(\) \{/let _ = ticket.withdraw(); if false {/'
mutate 'wait queue: a completion of one who has withdrawn counts' $queue/locked.rs waiting 's/let completed = node\.complete\(token\);/let _ = node.complete(token); let completed = true;/'
mutate 'wait queue: another is completed than was looked at' $queue/locked.rs a_reader_that_gives_up 's/self\.locked\.complete\(self\.node, token\)/self.locked.first_node().is_some_and(|node| self.locked.complete(node, token))/'
mutate 'wait queue: permits go to another than was looked at' $queue/locked.rs a_waiter_that_gives_up 's/self\.locked\.complete\(self\.node, token\)/self.locked.first_node().is_some_and(|node| self.locked.complete(node, token))/'
mutate 'wait queue: nobody is woken' $queue/locked.rs waiting 's/self\.to_wake\.extend\(unparker\);/drop(unparker);/'

mutex=src/sync/mutex_core.rs
mutate 'mutex: an unlock does not publish' $mutex locks 's/LOCKED, 0, Ordering::Release/LOCKED, 0, Ordering::Relaxed/'
mutate 'mutex: a lock does not acquire' $mutex locks 's/\(0, LOCKED, Ordering::Acquire/(0, LOCKED, Ordering::Relaxed/; s/state \| LOCKED,\n(\s*)Ordering::Acquire/state | LOCKED,\n$1Ordering::Relaxed/'
mutate 'mutex: a waiter does not say so' $mutex locks 's/state \| WAITING,/state,/'
mutate 'mutex: the lock is freed and handed over' $mutex locks 's/(first\.complete\(Token::Given\) \{\s*)return;/$1break;/'

rwlock=src/sync/rwlock_core.rs
mutate 'rwlock: a writer that gives up wakes nobody' $rwlock locks 's/\|queue\| self\.grant\(queue\)/|_| ()/'
mutate 'rwlock: a withdrawn waiter keeps its share' $rwlock locks 's/self\.word\.fetch_sub\(share\.tag\(\), Ordering::Relaxed\);/()/'
mutate 'rwlock: a writer does not look for readers' $rwlock locks 's/Share::Write if word & !WAITING == 0/Share::Write if word & WRITER == 0/'
mutate 'rwlock: the last to leave wakes nobody' $rwlock locks 's/if left == WAITING \{/if false {/'

semaphore=src/sync/semaphore_core.rs
mutate 'semaphore: a withdrawn waiter keeps its permits' $semaphore locks 's/if first\.complete\(Token::Given\) \{/let _ = first.complete(Token::Given);\n        {/'
mutate 'semaphore: one who gives up wakes nobody' $semaphore locks 's/self\.0\.wait\(wait, look, give\)/self.0.wait(wait, look, |_| ())/'

inbox=src/scheduler/inbox.rs
mutate 'inbox: a push does not publish' $inbox inbox 's/Ordering::Release,/Ordering::Relaxed,/'
mutate 'inbox: the taking does not acquire' $inbox inbox 's/Ordering::Acquire\)/Ordering::Relaxed)/'
mutate 'inbox: the hub idles over what has come' $inbox inbox 's/(fn enter_idle.*?\n        )self\.head.*?\.is_ok\(\)/$1self.head.store(idle(), Ordering::Relaxed); true/s'
mutate 'inbox: the hub comes back over what has come' $inbox inbox 's/(fn leave_idle.*?)let _ = self\.head\.compare_exchange\(.*?\);/$1self.head.store(ptr::null_mut(), Ordering::Relaxed);/s'
mutate 'inbox: nobody notifies' $inbox inbox 's/=> return Pushed::Idle/=> return Pushed::Awake/'
mutate 'inbox: everybody notifies' $inbox inbox 's/=> return Pushed::Awake/=> return Pushed::Idle/'
mutate 'inbox: the youngest is taken first' $inbox inbox 's/link\.store\(\s*oldest\.map_or\(ptr::null_mut\(\), NonNull::as_ptr\),\s*Ordering::Relaxed,?\s*\);\n\s*oldest = Some\(node\);/if oldest.is_none() { oldest = Some(node); }/s'

idle=src/scheduler/idle.rs
mutate 'idle: no fence after a push' $idle idling 's/(fn pick\(.*?)fence\(Ordering::SeqCst\);/$1/s'
mutate 'idle: no fence before the last look' $idle idling 's/(fn enter\(.*?)fence\(Ordering::SeqCst\);/$1/s'
mutate 'idle: no fence before the last searcher looks' $idle idling 's/(fn stop_searching\(.*?)fence\(Ordering::SeqCst\);/$1/s'
mutate 'idle: no fence before a nap' $idle idling 's/(fn enter_nap\(.*?)fence\(Ordering::SeqCst\);/$1/s'
mutate 'idle: a hub sleeps for ever beside one that is awake' $idle idling 's/let watches = wishes_to_watch \|\| .*?;/let watches = wishes_to_watch;/s'
mutate 'idle: nobody is picked to watch' $idle idling 's/(fn pick_watcher.*?)if sleepers/$1if !sleepers.is_empty() || sleepers/s'
mutate 'idle: a searcher that stops does not publish its batch' $idle idling 's/fetch_sub\(SEARCHING, Ordering::Release\)/fetch_sub(SEARCHING, Ordering::Relaxed)/'
mutate 'idle: the last searcher does not know it' $idle idling 's/before % AWAKE == 1/false/'
mutate 'idle: two pushers notify at once' $idle idling 's/(fn pick_slow.*?)if !self\.wants_notify\(self\.counts\.load\(Ordering::Relaxed\)\)/$1if false/s'
mutate 'idle: a picked hub does not count as searching' $idle idling 's/fetch_add\(AWAKE \+ SEARCHING, /fetch_add(AWAKE, /'
mutate 'idle: a hub that goes idle still searches' $idle idling 's/if searching \{ SEARCHING \} else \{ 0 \}/0/'
mutate 'idle: a hub that comes back does not count' $idle idling 's/(sleepers\.remove\(place\);\n\s*)self\.counts\.fetch_add\(AWAKE, Ordering::Relaxed\);/$1/'
mutate 'idle: a napper is not woken' $idle idling 's/\} else if self\.napper.*? \{/} else if false {/s'
mutate 'worker: no second look before the hub blocks' loom-tests/src/models/idling.rs idling 's/if !self\.has_work_for\(me\)/if true/'
mutate 'worker: the last searcher does not look' loom-tests/src/models/idling.rs idling 's/self\.idle\.stop_searching\(\) && self\.has_work\(\)/self.idle.stop_searching() && false/'
mutate 'worker: no second look before a nap' loom-tests/src/models/idling.rs idling 's/(fn nap.*?)if self\.injector\.is_empty\(\)/$1if true/s'

closing=src/scheduler/closing.rs
mutate 'shutdown: no fence after a push' $closing shutdown 's/(fn is_raised_after_push.*?)fence\(Ordering::SeqCst\);/$1/s'
mutate 'shutdown: no fence before the last look' $closing shutdown 's/(fn is_raised_before_last_look.*?)fence\(Ordering::SeqCst\);/$1/s'
mutate 'shutdown: a spawner does not look again' $closing shutdown 's/(fn is_raised_after_push.*?)self\.is_raised\(\)/$1false/s'
mutate 'shutdown: the hub does not look again' loom-tests/src/models/shutdown.rs shutdown 's/return self\.clear\(\);/return;/'
mutate 'placement: no fence after a delivery' $closing placing 's/(fn is_raised_after_push.*?)fence\(Ordering::SeqCst\);/$1/s'
mutate 'placement: a spawner does not look again' $closing placing 's/(fn is_raised_after_push.*?)self\.is_raised\(\)/$1false/s'
mutate 'placement: the hub does not look again' loom-tests/src/models/placing.rs what_is_placed 's/take\(&mut owned\);\n(\s*)return;/return;/'
mutate 'placement: the hub of an emptied inbox is not notified' loom-tests/src/models/placing.rs placing 's/(push\(taken\);\s*\})\s*self\.hub\.ring\(\);/$1/'
mutate 'placement: what has started is kept' loom-tests/src/models/placing.rs placing 's/let _notified_below = self\.inbox\.push\(taken\);/let _ = taken;/'

survey=src/scheduler/survey.rs
mutate 'survey: the hub is not told of a question' $survey surveying 's/self\.asked\.store\(true, Ordering::Relaxed\);//'
mutate 'survey: a question comes between the list and the flag' $survey surveying 's/\/\/ Under the lock: .*?\n(\s*)self\.asked\.store\(false, Ordering::Relaxed\);\n\s*std::mem::take\(&mut list\.waiting\)/let taken = std::mem::take(&mut list.waiting);\n$1drop(list);\n$1self.asked.store(false, Ordering::Relaxed);\n$1taken/'
mutate 'survey: an ended hub takes questions' $survey surveying 's/list\.closed = true;//'
mutate 'survey: the asker looks before it says whom to wake' $survey surveying 's/if inner\.missing > 0 \{\n(\s*)inner\.asker = Some\(asker\);\n\s*\}\n\s*inner\.missing == 0/let complete = inner.missing == 0;\n$1drop(inner);\n$1self.inner.lock().asker = Some(asker);\n$1complete/'
mutate 'survey: the last answer wakes nobody' $survey surveying 's/if inner\.missing == 0 \{/if false {/'
mutate 'survey: an answer comes after the end' $survey surveying 's/inner\.closed = true;//'

ring=src/channel/ring.rs
mutate 'ring: a message is not published' $ring channels 's/\.store\(place\.position \+ WRITTEN, Ordering::Release\)/.store(place.position + WRITTEN, Ordering::Relaxed)/'
mutate 'ring: a message is not acquired' $ring channels 's/let stamp = slot\.stamp\.load\(Ordering::Acquire\)/let stamp = slot.stamp.load(Ordering::Relaxed)/'
mutate 'ring: a freed place is not published' $ring channels 's/\.store\(position\.wrapping_add\(self\.round\), Ordering::Release\)/.store(position.wrapping_add(self.round), Ordering::Relaxed)/'
mutate 'ring: a freed place is not acquired' $ring channels 's/let stamp = self\.slot\(tail\)\.stamp\.load\(Ordering::Acquire\)/let stamp = self.slot(tail).stamp.load(Ordering::Relaxed)/'
mutate 'ring: what is reserved is still found' $ring selecting 's/stamp == head \+ WRITTEN\n            \|\| stamp == head \+ GIVEN_UP\n            \|\| /stamp != head || /'
mutate 'ring: the last place stays claimed' $ring selecting 's/(let was_last.*?self\.after\(position\),\n\s*)position,/$1self.after(position),/s'
mutate 'ring: who gives up passes over nothing' $ring selecting 's/while self\.slot\(head\)\.stamp\.load\(Ordering::Acquire\) == head \+ GIVEN_UP/while false/'

list=src/channel/list.rs
mutate 'list: a message is not published' $list selecting 's/slot\.state\.fetch_or\(WRITTEN, Ordering::Release\)/slot.state.fetch_or(WRITTEN, Ordering::Relaxed)/'
mutate 'list: a message is not acquired' $list selecting 's/while self\.state\.load\(Ordering::Acquire\) & WRITTEN/while self.state.load(Ordering::Relaxed) & WRITTEN/'
mutate 'list: a receiver does not wait for the message' $list selecting 's/(unsafe fn slot\(.*?)slot\.until_written\(\);/$1/s'
mutate 'limited: what is received leaves no room' src/channel/limited.rs selecting 's/(unsafe fn give_up.*?)self\.free\(\);/$1/s'

channel=src/channel/buffered.rs
mutate 'channel: no fence after a send' $channel channels 's/(fn after_send.*?)fence\(Ordering::SeqCst\);/$1/s'
mutate 'channel: no fence after a receive' $channel channels 's/(fn after_recv.*?)fence\(Ordering::SeqCst\);/$1/s'
mutate 'channel: a receiver on the list does not look again' $channel channels 's/self\.can_recv\(\)\.then_some\(\(\)\)/None::<()>/'
mutate 'channel: a sender on the list does not look again' $channel channels 's/self\.can_send\(\)\.then_some\(\(\)\)/None::<()>/'
mutate 'channel: who receives passes nothing on' $channel channels 's/(fn after_recv.*?)if self\.receivers\.has_waiters\(\) && self\.store\.has_message\(\)/$1if false/s'
mutate 'channel: what is sent too late stays' $channel channels 's/if self\.closed\.load\(Ordering::Relaxed\) \{/if false {/'
mutate 'channel: the last receiver wakes no sender' $channel channels 's/self\.senders\.lock\(\)\.complete_all\(Token::Closed\);//'
mutate 'channel: who selects tells nobody' $channel selecting 's/(fn select_recv.*?)self\.pass_on_to_receivers\(\);/$1/s'
mutate 'channel: who puts back tells nobody' $channel selecting 's/(fn put_back.*?)self\.pass_on_to_receivers\(\);/$1/s'
mutate 'channel: no fence after putting back' $channel selecting 's/(fn pass_on_to_receivers.*?)fence\(Ordering::SeqCst\);/$1/s'
mutate 'channel: who gives up tells no sender' $channel selecting 's/(fn give_up.*?)self\.pass_on_to_senders\(\);/$1/s'
mutate 'channel: no fence after giving up' $channel selecting 's/(fn pass_on_to_senders.*?)fence\(Ordering::SeqCst\);/$1/s'
mutate 'channel: a receiver does not look for what was put back' $channel selecting 's/ \|\| self\.returned\.len\(\) != 0//'

rendezvous=src/channel/rendezvous.rs
mutate 'rendezvous: who is on the list does not look again' $rendezvous channels 's/channel\.is_closed\(\) \|\| theirs\.has_others\(node, is_no_observer\)/channel.is_closed()/'
mutate 'rendezvous: who leaves wakes nobody' $rendezvous channels 's/self\.receivers\.lock\(\)\.complete_all\(Token::Closed\);//'
mutate 'rendezvous: a message for one who withdrew has gone' $rendezvous channels 's/(fn find<T>.*?)Given::Withdrawn => \{\}/$1Given::Withdrawn => return Some(Found::Moved),/s'
mutate 'rendezvous: what was brought and left is lost' $rendezvous selecting 's/self\.returned\.put\(0, meeting\);/drop(meeting);/'
mutate 'rendezvous: who leaves a message tells nobody' $rendezvous selecting 's/tell_first\(&mut receivers, is_no_observer\);//'
mutate 'rendezvous: a receiver does not look for what was left' $rendezvous selecting 's/ \|\| self\.0\.returned\.len\(\) != 0//'

meeting=src/channel/meeting.rs
mutate 'meeting: a sender does not wait until it is received' $meeting selecting 's/self\.until_not\(Step::Offered, WaitKind::Send\);//'
mutate 'meeting: a receiver does not wait until it is brought' $meeting selecting 's/self\.until_not\(Step::Expected, WaitKind::Receive\);//'
mutate 'meeting: who leaves tells nobody' $meeting selecting 's/locked\.move_on\(Step::Left\);/locked.step = Step::Left;/'
mutate 'meeting: a message is brought to one who has left' $meeting selecting 's/let is_expected = locked\.step == Step::Expected;/let is_expected = true;/'

condvar=src/sync/condvar.rs
mutate 'condvar: it unlocks before it is on the list' $condvar conditions 's/unsafe \{ raw\.unlock\(\) \};\n            None/None/; s/let waited = self\.waiters/unsafe { raw.unlock() };\n        let waited = self.waiters/'

barrier=src/sync/barrier.rs
mutate 'barrier: one who gives up counts back, whoever has met meanwhile' $barrier a_barrier 's/if meeting\.number == mine\.get\(\) \{/if true {/'
mutate 'barrier: one who was counted unwinds' $barrier a_barrier 's/passed\.set\(true\);//'
mutate 'barrier: one who gives up stays counted' $barrier a_barrier 's/meeting\.come -= 1;//'

readiness=src/driver/readiness.rs
mutate 'readiness: an attempt erases a later event' $readiness readiness 's/same_tick && word & unless == 0/word & unless == 0/'
mutate 'readiness: an event does not publish its cause' $readiness readiness 's/fetch_update\(Ordering::AcqRel, /fetch_update(Ordering::Acquire, /'
mutate 'readiness: an attempt may come before the look' $readiness readiness 's/Seen\(self\.word\.load\(Ordering::Acquire\)\)/Seen(self.word.load(Ordering::Relaxed))/; s/self\.word\.fetch_or\(WAITING, Ordering::AcqRel\)/self.word.fetch_or(WAITING, Ordering::Relaxed)/'
mutate 'readiness: a waiter does not look after it is on the list' $readiness readiness 's/if old & \(READY \| CLOSED\) == 0/if true/'
mutate 'readiness: an event does not look for waiters' $readiness readiness 's/(fn set\(.*?)if old & WAITING != 0/$1if false/s'
mutate 'readiness: a close does not look for waiters' $readiness readiness 's/(fn close\(.*?)if old & WAITING != 0/$1if false/s'
mutate 'readiness: a short read hides the end' $readiness readiness 's/clear_if\(seen, CLOSED \| WARY\)/clear_if(seen, CLOSED)/'
mutate 'readiness: who withdraws takes the others along' $readiness readiness 's/if waiters\.list\.is_empty\(\) \{/if true {/'
mutate 'readiness: who withdraws stays on the list' $readiness readiness 's/(fn withdraw\(.*?)let waiter = self\.take\(&mut waiters, id\);/$1let waiter = None::<W>; let _ = (id, \&mut waiters);/s'
mutate 'readiness: a close is cleared' $readiness readiness 's/fetch_or\(CLOSED \| READY, /fetch_or(CLOSED, /; s/clear_if\(seen, CLOSED\)/clear_if(seen, 0)/; s/READY \| CLOSED\) == 0/READY) == 0/'

registered=src/net/registered.rs
mutate 'registered: a move leaves the old one open' $registered moving 's/Some\(\(open\.close\(\), open\)\), new/None::<(W::Woken, Current<W>)>, new/'
mutate 'registered: a move wakes nobody' $registered moving 's/old\.end\(woken\);/drop((old, woken));/'

timers=src/driver/timers.rs
mutate 'timers: a stale key cancels' $timers timers 's/if \*armed == sequence\)/if *armed >= sequence)/'
mutate 'timers: a cancellation hides the second timer' $timers timers 's/self\.next\.store\(UNKNOWN, Ordering::Relaxed\)/self.next.store(NEVER, Ordering::Relaxed)/'
mutate 'timers: an earlier timer is not told of' $timers timers 's/\(key, first\)/(key, false)/'
mutate 'timers: an earlier timer is not noted' $timers timers 's/if first \{/if false {/'
mutate 'timers: a timer that fires stays armed' $timers timers 's/if !self\.is_armed\(key\.slot, key\.sequence\) \{\n            return None;\n        \}//'

running=src/scheduler/running.rs
mutate 'running: the end of a slice is not fenced' $running watching 's/fence\(Ordering::Release\);//'
mutate 'running: the number of a slice is not released' $running watching 's/\+ 1, Ordering::Release/+ 1, Ordering::Relaxed/'
mutate 'running: the number is not looked at again' $running watching 's/if running\.number\.load\(Ordering::Relaxed\) == number/if true/'
mutate 'running: a watcher does not fence' $running watching 's/(for invariant 2\.\n\s*)fence\(Ordering::SeqCst\)/$1fence(Ordering::AcqRel)/'
mutate 'running: a hub does not fence' $running watching 's/(fn wait.*?)fence\(Ordering::SeqCst\);/$1/s'
mutate 'running: a hub does not wait' $running watching 's/while self\.greenlet\.load\(Ordering::Acquire\) == greenlet\.as_ptr\(\)/while false/'
mutate 'running: the end of a claim is not acquired' $running watching 's/while self\.greenlet\.load\(Ordering::Acquire\)/while self.greenlet.load(Ordering::Relaxed)/'
mutate 'running: the end of a claim is not released' $running watching 's/ptr::null_mut\(\), Ordering::Release/ptr::null_mut(), Ordering::Relaxed/'

slumber=src/detector/slumber.rs
mutate 'slumber: no fence before the watchdog looks' $slumber watching 's/(\(2\) of the proof\.\n\s*)fence\(Ordering::SeqCst\);/$1/'
mutate 'slumber: no fence before a hub looks' $slumber watching 's/(\(b\) of the proof\.\n\s*)fence\(Ordering::SeqCst\);/$1/'
mutate 'slumber: a hub does not look' $slumber watching 's/self\.0\.load\(Ordering::Relaxed\) && self\.0\.swap\(false, Ordering::Relaxed\)/false/'
mutate 'slumber: two hubs wake it' $slumber watching 's/&& self\.0\.swap\(false, Ordering::Relaxed\)//'

mailbox=src/detector/capture/linux/mailbox.rs
mutate 'mailbox: a question is not published' $mailbox asking 's/store\(ASKED, Ordering::Release\)/store(ASKED, Ordering::Relaxed)/'
mutate 'mailbox: a question is not acquired' $mailbox asking 's/ASKED, TAKEN, Ordering::Acquire/ASKED, TAKEN, Ordering::Relaxed/'
mutate 'mailbox: an answer is not published' $mailbox asking 's/store\(ANSWERED, Ordering::Release\)/store(ANSWERED, Ordering::Relaxed)/'
mutate 'mailbox: an answer is not acquired' $mailbox asking 's/word\.load\(Ordering::Acquire\) != ANSWERED/word.load(Ordering::Relaxed) != ANSWERED/'
mutate 'mailbox: an emptied box is not acquired' $mailbox asking 's/EMPTY, WRITING, Ordering::Acquire/EMPTY, WRITING, Ordering::Relaxed/'
mutate 'mailbox: an emptied box is not published' $mailbox asking 's/store\(EMPTY, Ordering::Release\)/store(EMPTY, Ordering::Relaxed)/'
mutate 'mailbox: the asker gives up on a handler at work' $mailbox asking 's/&& word\s*\.compare_exchange\(ASKED, EMPTY.*?\.is_ok\(\)/\&\& { word.store(EMPTY, Ordering::Release); true }/s'
mutate 'mailbox: a late handler answers all the same' $mailbox asking 's/(fn answer.*?)\.is_err\(\)/$1.is_err() \&\& false/s'

outcome=src/offload/outcome.rs
mutate 'outcome: what came late is lost' $outcome offloading 's/late\.ok_or\(interrupt\)/Err(interrupt)/'
mutate 'outcome: who goes does not say so' $outcome offloading 's/\*\*place = Place::Abandoned/()/'
mutate 'outcome: nobody is woken' $outcome offloading 's/place\.complete_first\(Token::Given\);//'

members=src/pool/members.rs
mutate 'group: a spawner does not notice a kill' $members grouping 's/self\.kills\.load\(Ordering::Relaxed\) != began\.0/false/'
mutate 'group: a kill is not counted' $members grouping 's/self\.kills\.fetch_add\(1, Ordering::Relaxed\);//'
mutate 'group: a kill is counted after the look' $members grouping 's/let list = self\.list\.lock\(\);(.*?)self\.kills\.fetch_add\(1, Ordering::Relaxed\);\n\s*list\.members\.iter\(\)\.map\(name\)\.collect\(\)/let named = self.list.lock().members.iter().map(name).collect();$1self.kills.fetch_add(1, Ordering::Relaxed);\n named/s'

ends=src/pool/ends.rs
mutate 'group: a refused member stays among the failed' $ends grouping 's/state\.failed\.retain\(.*?\);//'
mutate 'group: the wrong failure is taken back' $ends grouping 's/state\.failed\.retain\(.*?\);/state.failed.clear();/'
mutate 'group: an end wakes nobody' $ends grouping 's/state\.complete_all\(Token::Retry\);//'
mutate 'group: a failure wakes nobody' $ends grouping 's/if state\.is_decided\(\)/if state.alive > 0/'
mutate 'group: a member counts from its beginning on' $ends grouping 's/state\.alive \+= 1;//; s/state\.alive -= 1;/state.alive = 0;/'

echo "$caught caught, $missed not"
((missed == 0))
