"""What is being drawn on a picture, with undo and redo."""

from __future__ import annotations

from dataclasses import dataclass, replace

from inspector.drawn import Drawing, Shape

Shapes = tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Sketch:
    """The shapes as they are, as they were before each step, and as they were before each step that was undone."""

    shapes: Shapes = ()
    before: tuple[Shapes, ...] = ()
    undone: tuple[Shapes, ...] = ()

    def add(self, shape: Shape) -> Sketch:
        return self._step((*self.shapes, shape))

    def clear(self) -> Sketch:
        return self._step(()) if self.shapes else self

    def undo(self) -> Sketch:
        if not self.before:
            return self
        return replace(self, shapes=self.before[-1], before=self.before[:-1], undone=(*self.undone, self.shapes))

    def redo(self) -> Sketch:
        if not self.undone:
            return self
        return replace(self, shapes=self.undone[-1], before=(*self.before, self.shapes), undone=self.undone[:-1])

    def drawing(self, width_px: int, height_px: int) -> Drawing:
        return Drawing(width_px=width_px, height_px=height_px, shapes=self.shapes)

    def _step(self, shapes: Shapes) -> Sketch:
        return Sketch(shapes, (*self.before, self.shapes), ())
