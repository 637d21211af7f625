//! Names of devices, each looked up once.

use std::collections::HashMap;

use devgate::device::{DeviceType, Request};

use super::super::names::Names;

/// Names that are kept: a container may ask for as many devices as it likes.
const MOST: usize = 4096;

#[derive(Default)]
pub struct Devices {
    names: Names,
    known: HashMap<(DeviceType, u32, u32), Option<String>>,
}

impl Devices {
    /// The name of the device that is asked for, if it has one.
    pub fn name(&mut self, request: &Request) -> Option<&str> {
        if self.known.len() >= MOST {
            *self = Devices::default();
        }
        let Request { device_type, major, minor, .. } = *request;
        let names = &self.names;
        let name = self
            .known
            .entry((device_type, major, minor))
            .or_insert_with(|| names.device(device_type, major, minor));
        name.as_deref()
    }
}
