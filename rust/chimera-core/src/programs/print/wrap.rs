//! Line breaking of one logical line, at brackets or inside added parentheses.

/// Longest printed line, in columns.
pub(super) const WIDTH: usize = 88;

/// Break `line` (without indentation) so that it fits, if it can be broken.
///
/// Its value is put in parentheses and broken there, loosest operators first.
pub(super) fn wrap(line: &str, indent: usize) -> String {
    let pad = " ".repeat(indent);
    if indent + line.len() <= WIDTH {
        return format!("{pad}{line}\n");
    }
    let (head, value, tail) = split(line);
    if value.is_empty() {
        return format!("{pad}{line}\n");
    }
    let inner = " ".repeat(indent + 4);
    let mut out = format!("{pad}{head}(\n");
    for part in parts(value, WIDTH.saturating_sub(indent + 4)) {
        out.push_str(&inner);
        out.push_str(&part);
        out.push('\n');
    }
    out.push_str(&pad);
    out.push(')');
    out.push_str(tail);
    out.push('\n');
    out
}

/// Head up to the value (`x = `, `return `, `if `), the value, and a trailing colon.
fn split(line: &str) -> (&str, &str, &str) {
    let (body, tail) = line.strip_suffix(':').map_or((line, ""), |body| (body, ":"));
    for keyword in ["return ", "if ", "elif ", "while ", "assert "] {
        if let Some(value) = body.strip_prefix(keyword) {
            // `return a, b` must stay a tuple: parentheses do that too.
            return (keyword, value, tail);
        }
    }
    if let Some(at) = top_level(body, &[" = "]).first()
        && let (Some(head), Some(value)) = (body.get(..at + 3), body.get(at + 3..))
    {
        return (head, value, tail);
    }
    (body, "", tail)
}

/// Break text that stands inside brackets, where a line break means nothing: behind commas, else
/// before its loosest operators, else inside its longest bracket pair.
fn parts(value: &str, width: usize) -> Vec<String> {
    const LEVELS: [&[&str]; 7] = [
        &[","],
        &[" for "],
        &[" if ", " else "],
        &[" or "],
        &[" and "],
        &[" + ", " - "],
        &[" * ", " / ", " // ", " % "],
    ];
    if value.len() <= width {
        return vec![value.to_owned()];
    }
    for operators in LEVELS {
        let mut breaks = top_level(value, operators);
        if breaks.is_empty() {
            continue;
        }
        if operators == [","] {
            // Behind the comma; one at the very end separates nothing.
            breaks.retain(|at| at + 2 < value.len());
            for at in &mut breaks {
                *at += 1;
            }
        }
        let mut pieces = Vec::new();
        let mut start = 0;
        for at in breaks {
            pieces.push(value.get(start..at).unwrap_or(""));
            start = at + 1;
        }
        pieces.push(value.get(start..).unwrap_or(""));
        let mut lines: Vec<String> = Vec::new();
        for piece in pieces {
            match lines.last_mut() {
                Some(last) if last.len() + 1 + piece.len() <= width => {
                    last.push(' ');
                    last.push_str(piece);
                }
                _ => lines.push(piece.to_owned()),
            }
        }
        // Every line is shorter than the whole, so this ends.
        if lines.iter().all(|line| !line.is_empty() && line.len() < value.len()) {
            return lines.iter().flat_map(|line| parts(line, width)).collect();
        }
    }
    let Some((open, close)) = longest_brackets(value) else { return vec![value.to_owned()] };
    let (Some(head), Some(inner), Some(tail)) =
        (value.get(..=open), value.get(open + 1..close), value.get(close..))
    else {
        return vec![value.to_owned()];
    };
    let mut lines = vec![head.to_owned()];
    lines.extend(parts(inner, width.saturating_sub(4)).iter().map(|line| format!("    {line}")));
    lines.push(tail.to_owned());
    lines
}

/// Offsets of the outermost bracket pair with the longest content.
fn longest_brackets(text: &str) -> Option<(usize, usize)> {
    let mut depth = 0_usize;
    let mut open = 0;
    let mut longest: Option<(usize, usize)> = None;
    for (at, ch) in text.char_indices() {
        match ch {
            '(' | '[' => {
                if depth == 0 {
                    open = at;
                }
                depth += 1;
            }
            ')' | ']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && longest.is_none_or(|(a, b)| at - open > b - a) {
                    longest = Some((open, at));
                }
            }
            _ => {}
        }
    }
    longest.filter(|(open, close)| close - open > 1)
}

/// Offsets where one of the patterns starts outside all brackets.
fn top_level(text: &str, patterns: &[&str]) -> Vec<usize> {
    let mut depth = 0_usize;
    let mut found = Vec::new();
    for (at, ch) in text.char_indices() {
        match ch {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            ' ' | ',' if depth == 0 => {
                let rest = text.get(at..).unwrap_or("");
                if patterns.iter().any(|pattern| rest.starts_with(pattern)) {
                    found.push(at);
                }
            }
            _ => {}
        }
    }
    found
}
