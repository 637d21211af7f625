//! Tables without lines: columns aligned, two spaces between them.

use std::io::{self, Write};

use comfy_table::{Table, presets};

/// Writes the rows below their header.
pub fn write<const N: usize>(
    out: &mut impl Write,
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for line in table.trim_fmt().lines() {
        writeln!(out, "{line}")?;
    }
    Ok(())
}
