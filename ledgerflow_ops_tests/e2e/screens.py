"""What a terminal shows of what a program wrote: just enough of one for a line that is drawn anew."""

import re

_TOKEN = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])|\x1b\]8;[^\x1b]*\x1b\\|([\r\n])|([^\x1b\r\n]+)")


class Screen:
    """A terminal of `columns`. `lines` is what it shows; `widest` is the longest line that it ever showed."""

    def __init__(self, columns: int) -> None:
        self.columns, self.lines, self.widest = columns, [""], 0
        self._row, self._column = 0, 0

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n")

    def show(self, written: str) -> "Screen":
        """Take what a program wrote."""
        for control, letter, move, text in _TOKEN.findall(written):
            if move == "\r":
                self._column = 0
            elif move == "\n":
                self._down()
            elif letter == "K":
                self.lines[self._row] = "" if control == "2" else self.lines[self._row][: self._column]
            elif letter == "A":
                self._row = max(0, self._row - int(control or 1))
            for sign in text:
                self._put(sign)
        return self

    def _put(self, sign: str) -> None:
        if self._column == self.columns:
            self._column = 0
            self._down()
        line = self.lines[self._row].ljust(self._column)
        self.lines[self._row] = line[: self._column] + sign + line[self._column + 1 :]
        self._column += 1
        self.widest = max(self.widest, self._column)

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self.lines):
            self.lines.append("")
