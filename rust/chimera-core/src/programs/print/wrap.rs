//! Line breaking of one logical line, at brackets or inside added parentheses.

/// Longest printed line, in columns.
pub(super) const WIDTH: usize = 88;

/// Break `line` (without indentation) so that it fits, if it can be broken.
///
/// The outermost bracket pair that makes the line too long is split over lines, one comma-separated
/// item a line; a right side without brackets is wrapped in parentheses at its loosest operators.
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

/// Break an expression before its loosest top-level operators, then greedily refill lines.
fn parts(value: &str, width: usize) -> Vec<String> {
    const LEVELS: [&[&str]; 5] = [
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
        let breaks = top_level(value, operators);
        if breaks.is_empty() {
            continue;
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
        return lines;
    }
    vec![value.to_owned()]
}

/// Offsets where one of the patterns starts outside all brackets.
fn top_level(text: &str, patterns: &[&str]) -> Vec<usize> {
    let mut depth = 0_usize;
    let mut found = Vec::new();
    for (at, ch) in text.char_indices() {
        match ch {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 => {
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
