//! Lists in pages: `MaxItems` and `Marker` in, `IsTruncated` and `Marker` out.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html>

use crate::query_api::{Parameters, QueryError, QueryErrorCode, TextRule};
use crate::xml::Writer;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

const ITEMS_DEFAULT: u32 = 100;
const ITEMS_MAX: u32 = 1000;
/// The key that a marker holds has up to 512 bytes: 128 characters of a tag's key.
const MARKER: TextRule = TextRule { length: 1..=1024, pattern: "[\\u0020-\\u00FF]+", matches: |_| true };

/// What a request says about its page.
pub struct Paging {
    /// The key of the last item of the page before.
    after: Option<String>,
    max_items: usize,
}

impl Paging {
    /// # Errors
    /// `ValidationError` for a number out of 1 to 1,000, and for a marker that was not given out.
    pub fn of(parameters: &Parameters) -> Result<Self, QueryError> {
        let max_items = parameters.number("MaxItems", 1..=ITEMS_MAX)?.unwrap_or(ITEMS_DEFAULT) as usize;
        let after = parameters.text("Marker", &MARKER)?.map(key_of).transpose()?;
        Ok(Self { after, max_items })
    }

    /// The page of items that come by ascending key.
    pub fn take<K: AsRef<str>, T>(&self, items: impl IntoIterator<Item = (K, T)>) -> Page<T> {
        let is_before = |key: &K| self.after.as_deref().is_some_and(|after| key.as_ref() <= after);
        let mut items = items.into_iter().skip_while(|(key, _)| is_before(key));
        let mut page = Page { items: Vec::new(), marker: None };
        let mut last = None;
        for (key, item) in items.by_ref().take(self.max_items) {
            page.items.push(item);
            last = Some(key);
        }
        if items.next().is_some() {
            page.marker = last.map(|key| BASE64.encode(key.as_ref()));
        }
        page
    }
}

fn key_of(marker: &str) -> Result<String, QueryError> {
    let key = BASE64.decode(marker).ok().and_then(|key| String::from_utf8(key).ok());
    key.ok_or_else(|| QueryError::new(QueryErrorCode::ValidationError, "Invalid Marker."))
}

/// Some of a list's items, and where the next page begins.
pub struct Page<T> {
    pub items: Vec<T>,
    marker: Option<String>,
}

impl<T> Page<T> {
    /// The items as members of the list `name`, and what says whether there are more.
    pub fn write(&self, xml: &mut Writer, name: &str, write_item: impl Fn(&mut Writer, &T)) {
        write_members(xml, name, &self.items, write_item);
        self.write_end(xml);
    }

    /// What says whether there are more.
    pub fn write_end(&self, xml: &mut Writer) {
        xml.boolean("IsTruncated", self.marker.is_some());
        if let Some(marker) = &self.marker {
            xml.text("Marker", marker);
        }
    }
}

/// A list as the protocol writes it.
pub fn write_members<T>(
    xml: &mut Writer,
    name: &str,
    items: impl IntoIterator<Item = T>,
    write_item: impl Fn(&mut Writer, T),
) {
    xml.within(name, |xml| {
        for item in items {
            xml.within("member", |xml| write_item(xml, item));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn paging(form: &str) -> Result<Paging, QueryErrorCode> {
        Paging::of(&Parameters::parse("", form.as_bytes()).unwrap()).map_err(|error| error.code())
    }

    fn pages(names: &[String], max_items: usize) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        let mut marker = String::new();
        loop {
            let page =
                paging(&format!("MaxItems={max_items}{marker}")).unwrap().take(names.iter().map(|name| (name, name)));
            pages.push(page.items.into_iter().cloned().collect());
            match page.marker {
                Some(next) => marker = format!("&Marker={next}"),
                None => return pages,
            }
        }
    }

    #[test]
    fn a_page_has_a_hundred_items_unless_asked_otherwise() {
        let names: Vec<_> = (0..150).map(|index| format!("{index:03}")).collect();
        let page = paging("").unwrap().take(names.iter().map(|name| (name, ())));
        assert_eq!((page.items.len(), page.marker.is_some()), (100, true));
        let page = paging("MaxItems=150").unwrap().take(names.iter().map(|name| (name, ())));
        assert_eq!((page.items.len(), page.marker), (150, None));
    }

    #[test]
    fn a_page_that_begins_after_what_is_gone_goes_on_with_what_follows() {
        let after = paging(&format!("Marker={}", BASE64.encode("b"))).unwrap();
        assert_eq!(after.take([("a", 1), ("c", 2)]).items, [2]);
    }

    #[test]
    fn markers_and_numbers_that_are_none_are_refused() {
        let bytes = BASE64.encode([0xff, 0xfe]);
        for form in ["MaxItems=0", "MaxItems=1001", "MaxItems=x", "Marker=", "Marker=*", &format!("Marker={bytes}")] {
            assert_eq!(paging(form).err(), Some(QueryErrorCode::ValidationError), "{form}");
        }
    }

    proptest! {
        #[test]
        fn pages_together_are_the_list(
            names in proptest::collection::btree_set("[a-zé/]{1,4}", 0..30),
            max_items in 1_usize..12,
        ) {
            let names: Vec<_> = names.into_iter().collect();
            let pages = pages(&names, max_items);
            prop_assert!(pages.iter().rev().skip(1).all(|page| page.len() == max_items));
            prop_assert_eq!(pages.concat(), names);
        }
    }
}
