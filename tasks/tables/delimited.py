"""Text with a record a line → columns of text. Arrow reads it; Python's slower reader is asked where something is
wrong, and in which line."""

from __future__ import annotations

import csv
import io
import re
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from levelfield.tasks.errors import UserError
from levelfield.tasks.tables import form, frame
from levelfield.tasks.tables.frame import Frame, Remedied
from levelfield.tasks.tables.spec import TableSpec

SAMPLE = 2**18  # bytes that are looked at to propose keys
TABS = (".tsv", ".tab")
BLOCK = 2**24


def read(file: Path, data: bytes, spec: TableSpec, suffix: str = ".csv") -> Frame:
    """The columns in the content `data` of `file`. Raises UserError that names a place, and keys that would read it."""
    return _Reader(file, data, spec, suffix).frame()


class _Reader:
    def __init__(self, file: Path, data: bytes, spec: TableSpec, suffix: str) -> None:
        self.file, self.spec = file, spec
        self.separator = spec.separator or ("\t" if suffix in TABS else ",")
        self.data = self._unicode(data)
        if spec.names is not None and spec.header is not False:
            raise UserError(f"{file}: `names` stands for a header", "add header = false (and skip-lines for its lines)")
        self.sample = self.data[:SAMPLE].decode("utf-8", "ignore")
        self.proposals = form.propose(self.sample, spec, self.separator)
        self.starts: array[int] | None = None

    def frame(self) -> Frame:
        names, first = self._header()
        columns = self._columns(names, first)
        said = [f"separator {self.separator!r}"] if self.separator != "," else []
        if self.spec.header is False:
            said.append("no header" if self.spec.names is None else "names from the suite")
        said += [f"{self.spec.skip_lines} lines skipped"] if self.spec.skip_lines else []
        said += [f"read as {self.spec.encoding}"] if self.spec.encoding.lower() not in ("utf-8", "utf8") else []
        return Frame(self.file, tuple(names), tuple(columns), self._place, tuple(said), proposals=self.proposals)

    def refuse(self, message: str, hint: str) -> UserError:
        """The error, with the keys that would read the file instead of the `hint`, where there are any."""
        return Remedied(f"{self.file}: {message}", written(self.proposals) or hint, self.proposals)

    def _unicode(self, data: bytes) -> bytes:
        """UTF-8 without a byte-order mark, with line feeds."""
        wanted = self.spec.encoding
        if wanted.lower() not in ("utf-8", "utf8"):
            try:
                data = data.decode(wanted).encode()
            except LookupError:
                raise UserError(f"{self.file}: unknown encoding {wanted!r}", 'try encoding = "latin-1"') from None
            except (UnicodeError, ValueError) as error:
                raise UserError(
                    f"{self.file} is not {wanted} text: {error}", "leave `encoding` out, or name another"
                ) from None
        data = data.removeprefix(b"\xef\xbb\xbf")
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            keys = {"encoding": "utf-16"}
            raise Remedied(f"{self.file} is not UTF-8 text: it begins as UTF-16 does", written(keys), keys)
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data
        if not data.isascii():
            try:
                data.decode()
            except UnicodeDecodeError as error:
                raise self._not_utf8(data, error) from None
        return data

    def _not_utf8(self, data: bytes, error: UnicodeDecodeError) -> UserError:
        line, byte = data.count(b"\n", 0, error.start) + 1, data[error.start]
        return Remedied(
            f"{self.file} is not UTF-8 text: line {line} holds the byte 0x{byte:02X}",
            f'write encoding = "latin-1" (or "cp1252"), in which it is {bytes([byte]).decode("latin-1")!r}',
            {"encoding": "latin-1"},
        )

    def _rows(self, data: bytes | None = None) -> Iterator[tuple[int, list[str]]]:
        """(line, cells) of every record that has something in it, header included, by Python's own reader."""
        text = (self.data if data is None else data).decode("utf-8", "replace")
        lines = io.StringIO(text, newline="\n")
        skipped = self.spec.skip_lines if data is None else 0
        for _ in range(skipped):
            lines.readline()
        if self.separator == " " and self.spec.quote not in text:
            yield from ((n, line.split()) for n, line in enumerate(lines, skipped + 1) if line.strip())
            return
        reader = csv.reader(
            lines, delimiter=self.separator, quotechar=self.spec.quote, strict=True, skipinitialspace=True
        )
        line = skipped + 1
        try:
            for row in reader:
                if row and (len(row) > 1 or row[0].strip()):
                    yield line, row[:-1] if self.separator == " " and not row[-1] else row
                line = skipped + reader.line_num + 1
        except csv.Error as error:
            if "separator" in self.proposals:
                raise self._otherwise_separated() from None
            raise self.refuse(
                f"line {skipped + reader.line_num} is not CSV: {error}",
                f"check its quotes; cells end at {self.separator!r}",
            ) from None

    def _header(self) -> tuple[list[str], int]:
        """The columns' names, and the place in the data where the first sample's record begins."""
        first = next(self._rows(self._after(self.spec.skip_lines).rsplit(b"\n", 1)[0]), None)
        first = first or next(self._rows(), None)
        if first is None:
            raise UserError(f"{self.file} has no header", "the first line names the columns")
        cells = [cell.strip() for cell in first[1]]
        line = self.spec.skip_lines + first[0]
        self._refuse_header(cells)
        if self.spec.header is False:
            names = list(self.spec.names or (f"c{i + 1}" for i in range(len(cells))))
            if len(names) != len(cells):
                raise self.refuse(
                    f"line {line} has {len(cells)} cells, and `names` has {len(names)}", "name every column"
                )
            return names, self.spec.skip_lines
        used = set(cells)
        names = [
            cell or next(name for name in (f"c{i + 1}", f"column {i + 1}") if name not in used)
            for i, cell in enumerate(cells)
        ]
        after = sum(cell.count("\n") for cell in first[1])
        return names, line + after

    def _refuse_header(self, cells: list[str]) -> None:
        """What is wrong with the first line, by its cause."""
        headed = self.spec.header is not False
        unknown = [x for x in self.spec.labels if isinstance(x, str) and not {x, x.strip()} & set(cells) and headed]
        wrong = self.proposals
        twice = [name for name, count in Counter(filter(None, cells)).items() if count > 1] if headed else []
        suspicious = bool(unknown or twice or len(cells) == 1)
        if "separator" in wrong and (suspicious or not headed):
            raise self._otherwise_separated()
        if "skip-lines" in wrong:
            below = form.cells(self.sample.splitlines()[wrong["skip-lines"] :][:1], self.separator, self.spec.quote)
            raise self.refuse(
                f"line {self.spec.skip_lines + 1} has one cell with content, and line {wrong['skip-lines'] + 1} has "
                f"{len(below[0]) if below else 'several'}: what is above it is no header",
                "",
            )
        rows = form.cells(
            self.sample.splitlines()[self.spec.skip_lines :][: form.LINES], self.separator, self.spec.quote
        )
        if headed and (more := form.more_headers(rows[1:])) and (twice or unknown or len(more) > 1):
            lines = " and ".join(str(self.spec.skip_lines + i + 2) for i in more)
            keys = {"skip-lines": self.spec.skip_lines + more[-1] + 2, "header": False}
            raise Remedied(
                f"{self.file}: line{'s' * (len(more) > 1)} {lines} look{'s' * (len(more) == 1)} like header rows too",
                f"one line names the columns: {written(keys)}, and names = [...] of your own",
                keys,
            )
        if "header" in wrong:
            raise Remedied(
                f"{self.file}: line {self.spec.skip_lines + 1} looks like data, not like a header",
                f"{written(wrong)} (header = true if it is one all the same); the columns are then called c1 … "
                f"c{len(cells)}, and label = -1 is the last of them",
                wrong,
            )
        if twice:
            raise self.refuse(
                f"two columns are called {twice[0]!r}",
                f"write skip-lines = {self.spec.skip_lines + 1}, header = false, and names = [...] of your own",
            )

    def _otherwise_separated(self) -> UserError:
        told = f"its columns are separated by {self.proposals['separator']!r}"
        return self.refuse(told + (", its numbers have decimal commas" if "decimal" in self.proposals else ""), "")

    def _after(self, lines: int) -> bytes:
        """The sample that begins behind so many lines."""
        begin = self._place_after(lines)
        return self.data[begin : begin + SAMPLE]

    def _place_after(self, lines: int) -> int:
        """Where in the data what follows so many lines begins."""
        start = 0
        for _ in range(lines):
            start = self.data.find(b"\n", start) + 1
            if not start:
                return len(self.data)
        return start

    def _columns(self, names: list[str], lines: int) -> list[Any]:
        """Of the records that follow so many lines."""
        import pyarrow as pa

        sign, quote = self.separator.encode(), self.spec.quote.encode()
        begin = self._place_after(lines)
        body: bytes | memoryview = memoryview(self.data)[begin:]
        separator = self.separator
        if len(sign) > 1 or len(quote) > 1:
            raise UserError(f"{self.file}: separator and quote are one ASCII character each", 'separator = ";"')
        quoted = self.data.find(quote, begin) >= 0
        if separator == " " or (quoted and self._odd_quotes(self.data[begin:], sign, quote)):
            body, separator = self._rewritten(self.data[begin:], quoted), "\t" if separator == " " else separator
        if not quoted:
            frame.check_cells(self.file, self.data.count(b"\n", begin), self._wanted(names))
        try:
            table, wrong = _arrow(body, names, separator, self.spec.quote, quoted)
        except pa.ArrowInvalid as error:
            raise self.refuse(f"it cannot be read as CSV: {str(error)[:200]}", "check its quotes") from None
        if any(text.strip() for text in wrong):
            raise self._uneven(len(names))
        frame.check_cells(self.file, table.num_rows, self._wanted(names))
        return list(table.columns)

    def _wanted(self, names: list[str]) -> int:
        """How many columns are to be learnt from, as far as can be told before they are looked at."""
        return len(self.spec.features) if self.spec.features is not None else len(names) - 1 - len(self.spec.exclude)

    def _odd_quotes(self, body: bytes, sign: bytes, quote: bytes) -> bool:
        """Whether a quote stands where it neither begins nor ends a cell: Arrow would take it for another one's end."""
        mark, edge = re.escape(quote), re.escape(sign) + rb"\n" + re.escape(quote)
        odd = rb"(?<![" + edge + rb"])" + mark + rb"(?![" + edge + rb"])"
        after_blank = re.escape(sign) + rb"[ \t]+" + mark
        return bool(body.count(quote) % 2 or re.search(odd, body.strip()[1:-1]) or re.search(after_blank, body))

    def _rewritten(self, body: bytes, quoted: bool) -> bytes:
        """The same records with a quote around every cell that needs one; runs of blanks become tabs."""
        if self.separator == " " and not quoted:
            return re.sub(rb"[ \t]+", b"\t", re.sub(rb"(?m)^[ \t]+|[ \t]+$", b"", body))
        out = io.StringIO()
        sign = "\t" if self.separator == " " else self.separator
        # A blank first cell that runs of blanks left is none
        rows = (row for _, row in self._rows(body))
        csv.writer(out, delimiter=sign, quotechar=self.spec.quote, lineterminator="\n").writerows(rows)
        return out.getvalue().encode()

    def _uneven(self, width: int) -> UserError:
        for line, row in self._rows():
            if len(row) != width:
                return self.refuse(
                    f"line {line} has {len(row)} cells, the header {width}",
                    f'a cell with {self.separator!r} in it needs quotes: "a{self.separator} b"',
                )
        return self.refuse("its lines have different numbers of cells", "check its quotes")

    def _place(self, index: int) -> str:
        if self.starts is None:
            rows = self._rows()
            if self.spec.header is not False:
                next(rows)
            self.starts = array("q", (line for line, _ in rows))
        return f"line {self.starts[index]}"


def _arrow(
    body: bytes | memoryview, names: list[str], separator: str, quote: str, quoted: bool
) -> tuple[Any, list[str]]:
    """All columns as text, and the lines that have another number of cells."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    wrong: list[str] = []

    def skip(record: Any) -> str:
        if len(wrong) < 1000 or record.text.strip():
            wrong.append(record.text)
        return "skip"

    keys = [str(i) for i in range(len(names))]  # names may be equal, until it is said which are used
    head = bytes(body[: 2**16])
    if not head.strip(b"\n") and not bytes(body).strip(b"\n"):
        return pa.table({key: pa.chunked_array([], pa.string()) for key in keys}), []
    block = BLOCK if max(map(len, head.split(b"\n"))) < BLOCK // 4 else len(body)
    for size in (block, len(body) + 1):
        try:
            wrong.clear()
            table = arrow.read_csv(
                pa.BufferReader(body),
                read_options=arrow.ReadOptions(column_names=keys, block_size=size),
                parse_options=arrow.ParseOptions(
                    delimiter=separator,
                    quote_char=quote,
                    newlines_in_values=quoted,
                    invalid_row_handler=skip,
                ),
                convert_options=arrow.ConvertOptions(column_types=dict.fromkeys(keys, pa.string())),
            )
            break
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error) or size > len(body):
                raise
    return table, wrong


def written(proposals: dict[str, Any]) -> str:
    """``write separator = ";", decimal = ","``; empty for none."""
    lines = [f"{key} = {toml(value)}" for key, value in proposals.items()]
    return f"write {', '.join(lines)}" if lines else ""


def toml(value: Any) -> str:
    """`value` as it is written in a suite."""
    import json

    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
