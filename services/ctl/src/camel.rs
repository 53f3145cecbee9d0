//! Turns the keys of JSON text from `snake_case` into `camelCase`, which is how operators know them.
//!
//! It works on text, so that fields keep the order in which the contract declares them.

/// The same JSON with its keys in `camelCase`. Values, and everything that is not a key, stay as they are.
pub(crate) fn camel_keys(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('"') {
        let (before, from_quote) = rest.split_at(at);
        let (string, after) = from_quote.split_at(string_size(from_quote));
        out.push_str(before);
        if after.trim_start().starts_with(':') {
            out.push_str(&camel(string));
        } else {
            out.push_str(string);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The size of the string literal, quotes included, with which `json` begins.
fn string_size(json: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in json.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    json.len()
}

fn camel(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    let mut raise = false;
    for c in key.chars() {
        if c == '_' && out.len() > 1 {
            raise = true;
        } else if raise {
            out.push(c.to_ascii_uppercase());
            raise = false;
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::camel_keys;

    #[test]
    fn keys_change_and_values_do_not() {
        assert_eq!(
            camel_keys(r#"{"global_path": "a_b", "list": ["c_d", {"e_f_g" : "h_i"}]}"#),
            r#"{"globalPath": "a_b", "list": ["c_d", {"eFG" : "h_i"}]}"#
        );
    }

    #[test]
    fn quotes_and_backslashes_in_values_do_not_mislead() {
        let json = r#"{"a_b":"x\"c_d\":","e_f":"\\","g_h":1}"#;
        assert_eq!(camel_keys(json), r#"{"aB":"x\"c_d\":","eF":"\\","gH":1}"#);
    }

    #[test]
    fn order_is_kept_and_text_outside_ascii_survives() {
        assert_eq!(
            camel_keys(r#"{"z_z":"ü_ü","a_a":"…"}"#),
            r#"{"zZ":"ü_ü","aA":"…"}"#
        );
    }
}
