//! Text inside HTML.

/// The text with everything escaped that HTML could take for its own, within and outside of quoted attributes
/// (CVE-2022-31777).
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn lg_03_nothing_of_a_text_is_taken_for_markup() {
        assert_eq!(super::escaped("<a href=\"x\">'&amp;ä"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;ä");
    }
}
