//! The rules of the house, checked on the paths that its files name.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::source::{self, Kind, Named, Source};

/// The layers, from the ground up. A file may name its own row and the rows before it.
const ROWS: &[&[&str]] = &[
    &["primitive"],
    &["fiber"],
    &["greenlet"],
    &["driver"],
    &["context"],
    &["wait"],
    &["scheduler"],
    &["detector"],
    &["runtime"],
    &[
        "future", "offload", "time", "sync", "channel", "net", "pool",
    ],
    &["spawn", "local", "current"],
    &["lib"],
];

/// What may be named in one place only: a file, or a folder with its slash.
const PLACES: &[(&[&str], &str)] = &[
    (&["corosensei"], "fiber/"),
    (&["polling"], "driver/poller.rs"),
    (&["crossbeam_deque"], "scheduler/queue.rs"),
    (&["framehop"], "detector/capture/linux/unwind/"),
    (&["backtrace"], "detector/capture/linux/symbols/"),
    (&["object"], "detector/capture/linux/symbols/"),
    (&["std", "sync", "atomic"], "primitive/"),
    (&["core", "sync", "atomic"], "primitive/"),
    (&["loom"], "primitive/"),
];

/// Every breach in `files` (path below `src/`, text), as `src/file.rs:line: what is wrong`.
pub(crate) fn check(files: &[(String, String)]) -> Vec<String> {
    let house = House::new(files);
    let mut breaches = BTreeSet::new();
    let mut imports = BTreeMap::new();
    for (at, file) in house.files.iter().enumerate() {
        if row(&file.module).is_none() {
            breaches.insert((
                file.path.clone(),
                1,
                format!("`{}` has no row in the layer table", file.top()),
            ));
        }
        for named in &file.source.named {
            let mut report = |what: String| breaches.insert((file.path.clone(), named.line, what));
            if let Some(place) = misplaced_thread_local(file, named) {
                report(format!("`thread_local!` belongs in src/{place} alone"));
            }
            match house.resolve(file, named) {
                Target::Outside(path) => {
                    for (pattern, place) in PLACES {
                        if names(&path, pattern) && !is_in(&file.path, place) {
                            report(format!(
                                "`{}` belongs in src/{place} alone",
                                pattern.join("::")
                            ));
                        }
                    }
                }
                Target::Inside { first, all } => {
                    let target = &house.files[first];
                    if row(&target.module) > row(&file.module) {
                        report(format!(
                            "`{}` points up, to `{}`",
                            named.segments.join("::"),
                            target.top()
                        ));
                    } else if first != at && file.module.starts_with(&target.module) {
                        let path = named.segments.join("::");
                        report(format!(
                            "`{path}` is a circle: src/{} declares this file",
                            target.path
                        ));
                    } else {
                        for to in all {
                            let declares = house.files[to].module.starts_with(&file.module);
                            if to != at && !(declares && named.kind == Kind::Reexport) {
                                imports.entry((at, to)).or_insert(named.line);
                            }
                        }
                    }
                }
            }
        }
    }
    breaches.extend(house.circles(&imports));
    breaches
        .into_iter()
        .map(|(path, line, what)| format!("src/{path}:{line}: {what}"))
        .collect()
}

/// Whether `path` names what `pattern` stands for, or reaches it by a glob import of something around it.
fn names(path: &[String], pattern: &[&str]) -> bool {
    match path {
        [around @ .., last] if last == "*" && around.len() < pattern.len() => {
            pattern.starts_with(&strs(around))
        }
        _ => strs(path).starts_with(pattern),
    }
}

fn strs(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

fn is_in(path: &str, place: &str) -> bool {
    path == place || (place.ends_with('/') && path.starts_with(place))
}

/// `primitive` may pass the macro on (loom has its own), but only `context.rs` may use it.
fn misplaced_thread_local(file: &File, named: &Named) -> Option<&'static str> {
    let place = "context.rs";
    let passes_on = is_in(&file.path, "primitive/") && named.kind != Kind::Inline;
    let is_one = named
        .segments
        .iter()
        .any(|segment| segment == "thread_local");
    (is_one && file.path != place && !passes_on).then_some(place)
}

fn row(module: &[String]) -> Option<usize> {
    let top = module.first().map_or("lib", String::as_str);
    ROWS.iter().position(|row| row.contains(&top))
}

struct File {
    /// Below `src/`.
    path: String,
    /// `["scheduler", "queue"]`; empty for `lib.rs`.
    module: Vec<String>,
    source: Source,
}

impl File {
    fn top(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }

    fn imports(&self) -> impl Iterator<Item = &Named> {
        self.source
            .named
            .iter()
            .filter(|named| named.kind != Kind::Inline)
    }
}

enum Target {
    /// A path into another crate.
    Outside(Vec<String>),
    /// The file that the path reaches `first`, and `all` that it may mean once re-exports are followed.
    Inside { first: usize, all: Vec<usize> },
}

struct House {
    files: Vec<File>,
}

impl House {
    fn new(files: &[(String, String)]) -> House {
        let mut files: Vec<File> = files
            .iter()
            .map(|(path, text)| File {
                path: path.clone(),
                module: module(path),
                source: source::read(text),
            })
            .collect();
        // What only tests see is no part of the house.
        let mut test_modules: Vec<Vec<String>> = Vec::new();
        for file in &files {
            let folder = &file.path[..file.path.rfind('/').map_or(0, |slash| slash + 1)];
            let named = |name: &String| module(&format!("{folder}{name}"));
            let below = |module: &Vec<String>| [&file.module[..], module].concat();
            test_modules.extend(file.source.test_files.iter().map(named));
            test_modules.extend(file.source.test_modules.iter().map(below));
        }
        files.retain(|file| {
            !test_modules
                .iter()
                .any(|module| file.module.starts_with(module))
        });
        House { files }
    }

    fn resolve(&self, file: &File, named: &Named) -> Target {
        let scope = [&file.module[..], &named.scope].concat();
        match self.absolute(file, &scope, &named.segments, 8) {
            Err(outside) => Target::Outside(outside),
            Ok(path) => {
                let (first, rest) = self.locate(&path);
                let mut all = BTreeSet::new();
                self.follow(first, rest, &mut all);
                if let ([], [name]) = (&self.files[first].module[..], rest) {
                    // An exported macro lives at the root, wherever its file is.
                    let exporter = self
                        .files
                        .iter()
                        .position(|file| file.source.macros.contains(name));
                    if let Some(exporter) = exporter {
                        return Target::Inside {
                            first: exporter,
                            all: vec![exporter],
                        };
                    }
                }
                Target::Inside {
                    first,
                    all: all.into_iter().collect(),
                }
            }
        }
    }

    /// The path from the crate's root, or `Err` with a path that leads out of the crate.
    fn absolute(
        &self,
        file: &File,
        scope: &[String],
        path: &[String],
        fuel: usize,
    ) -> Result<Vec<String>, Vec<String>> {
        let (head, rest) = path.split_first().expect("a path has a segment");
        match head.as_str() {
            "" => return Err(rest.to_vec()),
            "crate" => return Ok(rest.to_vec()),
            "self" if rest.first().is_some_and(|next| next == "super") => {
                return self.absolute(file, scope, rest, fuel);
            }
            "self" => return Ok([scope, rest].concat()),
            "super" => {
                let up = &scope[..scope.len().saturating_sub(1)];
                return match rest.first().map(String::as_str) {
                    Some("super") => self.absolute(file, up, rest, fuel),
                    _ => Ok([up, rest].concat()),
                };
            }
            _ => {}
        }
        let child = [scope, &path[..1]].concat();
        if self.files.iter().any(|file| file.module == child) {
            return Ok([scope, path].concat());
        }
        let import = file
            .imports()
            .find(|import| import.alias.as_ref() == Some(head));
        match import {
            Some(import) if fuel > 0 && import.segments != path => {
                let scope = [&file.module[..], &import.scope].concat();
                let path = [&import.segments[..], rest].concat();
                self.absolute(file, &scope, &path, fuel - 1)
            }
            _ => Err(path.to_vec()),
        }
    }

    /// The deepest file on the way along `path`, and what of the path is left there.
    fn locate<'p>(&self, path: &'p [String]) -> (usize, &'p [String]) {
        (0..=path.len())
            .rev()
            .find_map(|length| {
                let at = self
                    .files
                    .iter()
                    .position(|file| file.module == path[..length])?;
                Some((at, &path[length..]))
            })
            .unwrap_or((0, path))
    }

    /// Follows `rest` through the re-exports of the file `at` to the files where it may be defined.
    fn follow(&self, at: usize, rest: &[String], all: &mut BTreeSet<usize>) {
        let file = &self.files[at];
        let reexports = || {
            file.imports()
                .filter(|import| import.kind == Kind::Reexport)
        };
        let step = |import: &Named, rest: &[String], all: &mut BTreeSet<usize>| {
            let scope = [&file.module[..], &import.scope].concat();
            if let Ok(path) = self.absolute(file, &scope, &[&import.segments[..], rest].concat(), 8)
            {
                let (next, rest) = self.locate(&path);
                if next != at && !all.contains(&next) {
                    self.follow(next, rest, all);
                }
            }
        };
        let Some(name) = rest.first() else {
            all.insert(at);
            return;
        };
        if let Some(import) = reexports().find(|import| import.alias.as_ref() == Some(name)) {
            return step(import, &rest[1..], all);
        }
        all.insert(at);
        for glob in
            reexports().filter(|import| import.segments.last().is_some_and(|last| last == "*"))
        {
            step(glob, rest, all);
        }
    }

    /// One breach for each circle of files, at the import that opens it.
    fn circles(&self, imports: &BTreeMap<(usize, usize), usize>) -> Vec<(String, usize, String)> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        for start in 0..self.files.len() {
            let Some(circle) = shortest_circle(start, imports) else {
                continue;
            };
            if circle.iter().any(|file| !seen.insert(*file)) {
                continue;
            }
            let chain: Vec<&str> = circle
                .iter()
                .chain([&start])
                .map(|&file| self.files[file].path.as_str())
                .collect();
            let next = *circle.get(1).unwrap_or(&start);
            found.push((
                self.files[start].path.clone(),
                imports[&(start, next)],
                format!("circle: {}", chain.join(" -> ")),
            ));
        }
        found
    }
}

/// The files on the shortest way from `start` back to `start`.
fn shortest_circle(start: usize, imports: &BTreeMap<(usize, usize), usize>) -> Option<Vec<usize>> {
    let mut before = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for (&(_, to), _) in imports.range((at, 0)..=(at, usize::MAX)) {
            if to == start {
                let mut circle = vec![at];
                while let Some(&previous) = before.get(circle.last().expect("it has a first")) {
                    circle.push(previous);
                }
                circle.reverse();
                return Some(circle);
            }
            if let std::collections::btree_map::Entry::Vacant(entry) = before.entry(to) {
                entry.insert(at);
                queue.push_back(to);
            }
        }
    }
    None
}

/// `scheduler/queue.rs` is `["scheduler", "queue"]`.
fn module(path: &str) -> Vec<String> {
    let mut module: Vec<String> = path
        .trim_end_matches(".rs")
        .split('/')
        .map(String::from)
        .collect();
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
        module.pop();
    }
    module
}
