//! Reads a Rust file as far as the rules need it: which paths it names, and on which lines.
//!
//! Comments, strings and whatever stands under `#[cfg(test)]` are left out. Nothing is type-checked: a path is known by its
//! `::`, and that is enough for imports, re-exports and paths written in the middle of an expression.

/// One path that a file names, with its use-tree expanded: `use a::{b, c as d}` is two of them.
#[derive(Debug)]
pub(crate) struct Named {
    /// As written; `use a::*` ends in `*`, `::a::b` begins with an empty segment, a `thread_local! {}` ends in `!`.
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    /// The name that an import brings into scope.
    pub(crate) alias: Option<String>,
    /// The inline modules around it.
    pub(crate) scope: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `use path;`
    Import,
    /// `pub use path;`, whatever the visibility.
    Reexport,
    /// `path` in the middle of something.
    Inline,
}

/// What the rules need to know about one file.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) named: Vec<Named>,
    /// Macros defined here.
    pub(crate) macros: Vec<String>,
    /// Modules that exist under `#[cfg(test)]` only.
    pub(crate) test_modules: Vec<Vec<String>>,
    /// Files beside this one that such modules are in, by their `#[path = ".."]`.
    pub(crate) test_files: Vec<String>,
}

pub(crate) fn read(text: &str) -> Source {
    let mut reader = Reader {
        tokens: tokens(text),
        at: 0,
        depth: 0,
        scope: Vec::new(),
        source: Source::default(),
    };
    reader.file();
    reader.source
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// What stands in a plain string.
    Text(String),
    /// `::`
    Sep,
    Mark(char),
}

/// Splits `text` into words, strings and marks, each with its line. Other literals become the mark `0`.
fn tokens(text: &str) -> Vec<(Token, usize)> {
    let chars: Vec<char> = text.chars().collect();
    let get = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let start = at;
        let begun = line;
        match chars[at] {
            '/' if get(at + 1) == '/' => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
            }
            '/' if get(at + 1) == '*' => {
                let mut depth = 0;
                loop {
                    match (get(at), get(at + 1)) {
                        ('/', '*') => (depth, at) = (depth + 1, at + 2),
                        ('*', '/') => (depth, at) = (depth - 1, at + 2),
                        _ => at += 1,
                    }
                    if depth == 0 || at >= chars.len() {
                        break;
                    }
                }
            }
            '"' => {
                at = after_string(&chars, at);
                let inside = chars.get(start + 1..at - 1).unwrap_or_default();
                found.push((Token::Text(inside.iter().collect()), begun));
            }
            // A character, or else a lifetime, which is read as its name.
            '\'' if get(at + 1) == '\\' => {
                at += 3;
                while at < chars.len() && chars[at] != '\'' {
                    at += 1;
                }
                at += 1;
                found.push((Token::Mark('0'), begun));
            }
            '\'' if get(at + 2) == '\'' => {
                at += 3;
                found.push((Token::Mark('0'), begun));
            }
            ':' if get(at + 1) == ':' => {
                at += 2;
                found.push((Token::Sep, begun));
            }
            c if c.is_ascii_digit() => {
                while get(at).is_alphanumeric() || get(at) == '_' {
                    at += 1;
                }
                found.push((Token::Mark('0'), begun));
            }
            c if c.is_alphabetic() || c == '_' => {
                while get(at).is_alphanumeric() || get(at) == '_' {
                    at += 1;
                }
                let word: String = chars[start..at].iter().collect();
                let hashes = chars[at..].iter().take_while(|&&c| c == '#').count();
                let is_prefix = matches!(word.as_str(), "r" | "b" | "c" | "br" | "cr");
                if is_prefix && word.ends_with('r') && get(at + hashes) == '"' {
                    at = after_raw_string(&chars, at + hashes + 1, hashes);
                    found.push((Token::Mark('0'), begun));
                } else if is_prefix && get(at) == '"' {
                    at = after_string(&chars, at);
                    found.push((Token::Mark('0'), begun));
                } else if word == "r" && hashes == 1 {
                    at += 1; // r#name is read as name
                } else if word == "b" && get(at) == '\'' {
                    // the character comes next
                } else {
                    found.push((Token::Word(word), begun));
                }
            }
            c => {
                at += 1;
                if !c.is_whitespace() {
                    found.push((Token::Mark(c), begun));
                }
            }
        }
        let end = at.min(chars.len());
        line += chars[start..end].iter().filter(|&&c| c == '\n').count();
    }
    found
}

/// `at` is the opening quote.
fn after_string(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// `at` is behind the opening quote.
fn after_raw_string(chars: &[char], mut at: usize, hashes: usize) -> usize {
    let closes = |at: usize| {
        chars[at] == '"'
            && chars[at + 1..]
                .iter()
                .take(hashes)
                .filter(|&&c| c == '#')
                .count()
                == hashes
    };
    while at < chars.len() && !closes(at) {
        at += 1;
    }
    at + 1 + hashes
}

struct Reader {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    /// The inline modules that are open, each with the depth of its brace.
    scope: Vec<(String, usize)>,
    source: Source,
}

impl Reader {
    fn file(&mut self) {
        while self.at < self.tokens.len() {
            if self.mark('#') && self.is_cfg_test() {
                self.skip_test_item();
                continue;
            }
            match self.peek(0).cloned() {
                Some(Token::Mark('{')) => {
                    self.depth += 1;
                    self.at += 1;
                }
                Some(Token::Mark('}')) => {
                    self.depth = self.depth.saturating_sub(1);
                    if self
                        .scope
                        .last()
                        .is_some_and(|&(_, depth)| depth == self.depth)
                    {
                        self.scope.pop();
                    }
                    self.at += 1;
                }
                Some(Token::Word(word)) => self.word(&word),
                Some(Token::Sep) => self.leading_sep(),
                _ => self.at += 1,
            }
        }
    }

    fn word(&mut self, word: &str) {
        match word {
            "pub" => {
                self.at += 1;
                if self.mark('(') && matches!(self.peek(1), Some(Token::Word(_))) {
                    self.skip_group();
                }
                if self.is_word(0, "use") {
                    self.at += 1;
                    self.use_tree(&[], Kind::Reexport);
                }
            }
            // Not the `use<'a>` of an `impl Trait`.
            "use" if self.peek(1) != Some(&Token::Mark('<')) => {
                self.at += 1;
                self.use_tree(&[], Kind::Import);
            }
            "extern" if self.is_word(1, "crate") => {
                self.at += 2;
                self.use_tree(&[], Kind::Import);
            }
            "mod" => {
                if let (Some(Token::Word(name)), Some(Token::Mark('{'))) =
                    (self.peek(1), self.peek(2))
                {
                    self.scope.push((name.clone(), self.depth));
                }
                self.at += 2;
            }
            "macro_rules" => {
                if let Some(Token::Word(name)) = self.peek(2) {
                    self.source.macros.push(name.clone());
                }
                self.at += 3;
            }
            _ => self.inline_path(Vec::new()),
        }
    }

    /// Reads `a::b::c`, here or behind the `::` that is already in `segments`.
    fn inline_path(&mut self, mut segments: Vec<String>) {
        let line = self.line();
        // `$crate::a` belongs to whoever uses the macro; `<T>::a` hangs on a type.
        let hangs = self.at > 0
            && matches!(
                self.tokens[self.at - 1].0,
                Token::Sep | Token::Mark('$' | '.')
            );
        let hangs = hangs && segments.is_empty();
        while let Some(Token::Word(word)) = self.peek(0) {
            segments.push(word.clone());
            self.at += 1;
            if self.peek(0) == Some(&Token::Sep) && matches!(self.peek(1), Some(Token::Word(_))) {
                self.at += 1;
            } else {
                break;
            }
        }
        let thread_local =
            segments.last().is_some_and(|last| last == "thread_local") && self.mark('!');
        if thread_local {
            segments.push("!".into());
        }
        if !hangs && segments.len() > 1 {
            self.record(segments, line, Kind::Inline, None);
        }
    }

    /// A `::` with nothing before it that it could belong to begins a path.
    fn leading_sep(&mut self) {
        let belongs = self.at > 0
            && matches!(
                self.tokens[self.at - 1].0,
                Token::Word(_) | Token::Mark('>' | ']' | ')' | '}')
            );
        self.at += 1;
        if !belongs && matches!(self.peek(0), Some(Token::Word(_))) {
            self.inline_path(vec![String::new()]);
        }
    }

    fn use_tree(&mut self, prefix: &[String], kind: Kind) {
        let line = self.line();
        let mut path = prefix.to_vec();
        let mut alias = None;
        loop {
            match self.peek(0).cloned() {
                Some(Token::Sep) => {
                    if path.is_empty() {
                        path.push(String::new());
                    }
                }
                Some(Token::Word(word)) if word == "as" => {
                    self.at += 1;
                    if let Some(Token::Word(name)) = self.peek(0) {
                        alias = Some(name.clone());
                    }
                }
                Some(Token::Word(word)) => path.push(word),
                Some(Token::Mark('*')) => path.push("*".into()),
                Some(Token::Mark('{')) => {
                    self.at += 1;
                    while self.at < self.tokens.len() && !self.mark('}') {
                        let before = self.at;
                        self.use_tree(&path, kind);
                        if self.mark(',') || self.at == before {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                _ => break,
            }
            self.at += 1;
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let alias = alias
            .or_else(|| path.last().cloned())
            .filter(|name| name != "*" && name != "_");
        if !path.is_empty() {
            self.record(path, line, kind, alias);
        }
    }

    fn record(&mut self, segments: Vec<String>, line: usize, kind: Kind, alias: Option<String>) {
        let scope = self.scope.iter().map(|(name, _)| name.clone()).collect();
        self.source.named.push(Named {
            segments,
            line,
            kind,
            alias,
            scope,
        });
    }

    /// Whether `#[cfg(test)]` or `#[cfg(all(test, ..))]` stands here.
    fn is_cfg_test(&self) -> bool {
        let attribute: Vec<String> = self.tokens[self.at..]
            .iter()
            .take_while(|(token, _)| *token != Token::Mark(']'))
            .map(|(token, _)| match token {
                Token::Word(word) => word.clone(),
                Token::Sep => "::".into(),
                Token::Mark(mark) => mark.to_string(),
                Token::Text(text) => text.clone(),
            })
            .collect();
        let attribute = attribute.concat();
        attribute == "#[cfg(test)"
            || attribute.starts_with("#[cfg(all(test,")
            || (attribute.starts_with("#[cfg(all(")
                && (attribute.contains(",test,") || attribute.contains(",test)")))
    }

    /// Passes over the item (or statement, field, arm) behind the attribute.
    fn skip_test_item(&mut self) {
        while self.mark('#') {
            if let (true, Some(Token::Text(file))) = (self.is_word(2, "path"), self.peek(4)) {
                self.source.test_files.push(file.clone());
            }
            self.at += 1;
            self.skip_group();
        }
        if self.is_word(0, "pub") {
            self.at += 1;
            if self.mark('(') {
                self.skip_group();
            }
        }
        let first = match self.peek(0) {
            Some(Token::Word(word)) => word.clone(),
            _ => String::new(),
        };
        if let ("mod", Some(Token::Word(name))) = (first.as_str(), self.peek(1)) {
            let mut path: Vec<String> = self.scope.iter().map(|(name, _)| name.clone()).collect();
            path.push(name.clone());
            self.source.test_modules.push(path);
        }
        let is_item = [
            "mod",
            "fn",
            "impl",
            "struct",
            "enum",
            "trait",
            "type",
            "unsafe",
            "extern",
            "macro_rules",
        ];
        let ends_at_brace = first != "use";
        let ends_at_comma = !is_item.contains(&first.as_str());
        while let Some(token) = self.peek(0).cloned() {
            match token {
                Token::Mark('{') if ends_at_brace => {
                    self.skip_group();
                    return;
                }
                Token::Mark('{' | '(' | '[') => self.skip_group(),
                Token::Mark('}' | ')' | ']') => return,
                Token::Mark(',') if ends_at_comma => return,
                Token::Mark(';') => {
                    self.at += 1;
                    return;
                }
                _ => self.at += 1,
            }
        }
    }

    /// Passes over a bracket and all that is in it.
    fn skip_group(&mut self) {
        let mut depth = 0;
        while let Some(token) = self.peek(0) {
            match token {
                Token::Mark('(' | '[' | '{') => depth += 1,
                Token::Mark(')' | ']' | '}') => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth <= 0 {
                return;
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(token, _)| token)
    }

    fn mark(&self, mark: char) -> bool {
        self.peek(0) == Some(&Token::Mark(mark))
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.peek(ahead), Some(Token::Word(found)) if found == word)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |&(_, line)| line)
    }
}
