//! Fills the `{{PLACEHOLDERS}}` of the Envoy configs. Deliberately nothing more than a strict replace:
//! the files stay readable as documentation.

use anyhow::{Result, bail};

/// Replaces every `{{NAME}}` by its value.
///
/// # Errors
/// Names every placeholder without a value and every value without a placeholder, in one message.
pub fn render(template: &str, values: &[(&str, String)]) -> Result<String> {
    let mut text = String::with_capacity(template.len());
    let mut unfilled = Vec::new();
    let mut used = vec![false; values.len()];
    let mut rest = template;
    while let Some((before, name, after)) = next_placeholder(rest) {
        text.push_str(before);
        match values.iter().position(|(known, _)| *known == name) {
            Some(index) => {
                text.push_str(&values[index].1);
                used[index] = true;
            }
            None => unfilled.push(name),
        }
        rest = after;
    }
    text.push_str(rest);
    let unknown: Vec<_> =
        values.iter().zip(&used).filter(|(_, used)| !**used).map(|((name, _), _)| *name).collect();
    if !unfilled.is_empty() || !unknown.is_empty() {
        bail!("template: placeholders without a value: {unfilled:?}; values nobody asked for: {unknown:?}");
    }
    Ok(text)
}

/// The placeholder names of a template, each once, in order.
#[must_use]
pub fn placeholders(template: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = template;
    while let Some((_, name, after)) = next_placeholder(rest) {
        if !names.contains(&name) {
            names.push(name);
        }
        rest = after;
    }
    names
}

/// Splits at the next `{{NAME}}`; names are upper-case letters, digits and underscores, so that
/// nested YAML or JSON braces are never taken for one.
fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(open) = text[from..].find("{{").map(|at| at + from) {
        let inner = &text[open + 2..];
        let length = inner.bytes().take_while(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_')).count();
        if length > 0 && inner[length..].starts_with("}}") {
            return Some((&text[..open], &inner[..length], &inner[length + 2..]));
        }
        from = open + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{placeholders, render};

    #[test]
    fn fills_each_placeholder_and_leaves_other_braces_alone() {
        let text =
            render("a: {{PORT}}, {{PORT}} {{{B}}} {\"x\": {}}", &[("PORT", "1".into()), ("B", "2".into())]);
        assert_eq!(text.unwrap(), "a: 1, 1 {2} {\"x\": {}}");
    }

    #[test]
    fn refuses_unfilled_and_unknown_names_together() {
        let error = render("{{PORT}} {{HOST}}", &[("PORT", "1".into()), ("TYPO", "2".into())]).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("HOST") && message.contains("TYPO") && !message.contains("PORT"),
            "{message}"
        );
    }

    #[test]
    fn does_not_look_inside_values() {
        assert_eq!(render("{{A}}", &[("A", "{{B}}".into())]).unwrap(), "{{B}}");
        assert_eq!(placeholders("{{A}} {{B}} {{A}}"), ["A", "B"]);
    }
}
