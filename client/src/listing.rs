//! Listing objects.

use std::vec;

use arena_core::protocol::Object as ObjectInfo;

use crate::client::Client;
use crate::error::Result;

/// The objects of an arena in the order of its table. Made by [`Client::objects`].
///
/// Each page is as of its moment: an object that comes or goes meanwhile may be seen or not.
#[derive(Debug)]
pub struct Objects {
    client: Client,
    page: vec::IntoIter<ObjectInfo>,
    next_row: Option<u32>,
}

impl Objects {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            page: Vec::new().into_iter(),
            next_row: Some(0),
        }
    }
}

impl Iterator for Objects {
    type Item = Result<ObjectInfo>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(object) = self.page.next() {
                return Some(Ok(object));
            }
            let row = self.next_row.take()?;
            match self.client.objects_from(row) {
                Ok((objects, next)) => {
                    self.page = objects.into_iter();
                    // A supervisor that sent the same row again would be listed for ever.
                    self.next_row = next.filter(|next| *next > row);
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
