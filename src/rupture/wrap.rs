//! Lines for a terminal, set in under the first.

/// A line in lines of at most `width` columns, further ones set in. A word longer than that is cut.
pub(super) fn wrap(line: &str, width: usize) -> Vec<String> {
    if line.chars().count() <= width {
        return vec![line.trim_end().into()];
    }
    let indent = line.len() - line.trim_start().len();
    let next = " ".repeat(indent + 2);
    let mut lines = Vec::new();
    let mut open = " ".repeat(indent);
    let mut fresh = true;
    for word in line.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        if !fresh && open.chars().count() + 1 + rest.len() > width {
            lines.push(std::mem::replace(&mut open, next.clone()));
            fresh = true;
        }
        if !fresh {
            open.push(' ');
        }
        while open.chars().count() + rest.len() > width {
            let room = width.saturating_sub(open.chars().count()).max(1);
            let tail = rest.split_off(room.min(rest.len()));
            open.extend(rest);
            lines.push(std::mem::replace(&mut open, next.clone()));
            rest = tail;
        }
        open.extend(rest);
        fresh = false;
    }
    lines.push(open);
    lines
}
