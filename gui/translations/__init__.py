"""Texts in other languages: `xx.ts` is edited (with Qt Linguist), `xx.qm` is made of it and read by the desktop."""
