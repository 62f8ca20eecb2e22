//! Pictures of easy-read letters: line drawings on a square of 100.

use krilla::geom::{Path, PathBuilder, Rect, Transform};
use krilla::paint::{LineCap, LineJoin, Stroke};
use krilla::surface::Surface;
use serde::{Deserialize, Serialize};

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Picture {
    /// An envelope.
    Letter,
    /// A page of a calendar with a tick.
    Calendar,
    /// A telephone.
    Telephone,
    /// A screen.
    Computer,
    /// A syringe.
    Vaccine,
    /// A shield with a tick.
    Protection,
    /// A person.
    Person,
    /// A question mark in a circle.
    Question,
    /// A bar across a circle.
    No,
}

impl Picture {
    /// Draws it in black, top left corner here; `size` is the length of a side.
    pub(super) fn draw(self, surface: &mut Surface<'_>, x: f32, y: f32, size: f32) {
        let Some(path) = self.path() else { return };
        let scale = size / 100.0;
        surface.push_transform(&Transform::from_row(scale, 0.0, 0.0, scale, x, y));
        surface.set_fill(None);
        surface.set_stroke(Some(Stroke {
            width: 5.0,
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            ..Stroke::default()
        }));
        surface.draw_path(&path);
        surface.set_stroke(None);
        surface.pop();
    }

    fn path(self) -> Option<Path> {
        let mut pen = Pen(PathBuilder::new());
        match self {
            Self::Letter => {
                pen.rectangle(8.0, 24.0, 84.0, 56.0);
                pen.line(&[(8.0, 28.0), (50.0, 58.0), (92.0, 28.0)]);
            }
            Self::Calendar => {
                pen.rectangle(12.0, 20.0, 76.0, 70.0);
                pen.line(&[(12.0, 40.0), (88.0, 40.0)]);
                pen.line(&[(32.0, 10.0), (32.0, 28.0)]);
                pen.line(&[(68.0, 10.0), (68.0, 28.0)]);
                pen.line(&[(34.0, 64.0), (46.0, 76.0), (68.0, 52.0)]);
            }
            Self::Telephone => {
                pen.rectangle(28.0, 6.0, 44.0, 88.0);
                pen.rectangle(35.0, 18.0, 30.0, 56.0);
                pen.circle(50.0, 84.0, 3.5);
            }
            Self::Computer => {
                pen.rectangle(8.0, 14.0, 84.0, 56.0);
                pen.line(&[(50.0, 70.0), (50.0, 86.0)]);
                pen.line(&[(28.0, 88.0), (72.0, 88.0)]);
                pen.line(&[(24.0, 32.0), (64.0, 32.0)]);
                pen.line(&[(24.0, 46.0), (52.0, 46.0)]);
            }
            Self::Vaccine => {
                pen.line(&[(10.0, 90.0), (30.0, 70.0)]);
                pen.line(&[(26.0, 58.0), (42.0, 74.0), (78.0, 38.0), (62.0, 22.0), (26.0, 58.0)]);
                pen.line(&[(70.0, 30.0), (86.0, 14.0)]);
                pen.line(&[(76.0, 6.0), (94.0, 24.0)]);
                pen.line(&[(38.0, 46.0), (46.0, 54.0)]);
                pen.line(&[(50.0, 34.0), (58.0, 42.0)]);
            }
            Self::Protection => {
                pen.line(&[(50.0, 8.0), (86.0, 22.0), (86.0, 50.0), (74.0, 74.0), (50.0, 92.0)]);
                pen.line(&[(50.0, 92.0), (26.0, 74.0), (14.0, 50.0), (14.0, 22.0), (50.0, 8.0)]);
                pen.line(&[(34.0, 50.0), (46.0, 62.0), (68.0, 38.0)]);
            }
            Self::Person => {
                pen.circle(50.0, 28.0, 18.0);
                pen.line(&[(14.0, 92.0), (18.0, 70.0), (34.0, 58.0), (66.0, 58.0), (82.0, 70.0), (86.0, 92.0)]);
            }
            Self::Question => {
                pen.circle(50.0, 50.0, 42.0);
                pen.line(&[
                    (36.0, 40.0),
                    (40.0, 30.0),
                    (50.0, 26.0),
                    (60.0, 30.0),
                    (64.0, 40.0),
                    (58.0, 50.0),
                    (50.0, 56.0),
                    (50.0, 64.0),
                ]);
                pen.circle(50.0, 75.0, 1.5);
            }
            Self::No => {
                pen.circle(50.0, 50.0, 42.0);
                pen.line(&[(21.0, 21.0), (79.0, 79.0)]);
            }
        }
        pen.0.finish()
    }
}

struct Pen(PathBuilder);

impl Pen {
    fn line(&mut self, points: &[(f32, f32)]) {
        for (index, (x, y)) in points.iter().enumerate() {
            if index == 0 { self.0.move_to(*x, *y) } else { self.0.line_to(*x, *y) }
        }
    }

    fn rectangle(&mut self, x: f32, y: f32, width: f32, height: f32) {
        if let Some(rectangle) = Rect::from_xywh(x, y, width, height) {
            self.0.push_rect(rectangle);
        }
    }

    fn circle(&mut self, x: f32, y: f32, radius: f32) {
        // A quarter of a circle as a cubic curve.
        let handle = radius * 0.5523;
        self.0.move_to(x + radius, y);
        self.0.cubic_to(x + radius, y + handle, x + handle, y + radius, x, y + radius);
        self.0.cubic_to(x - handle, y + radius, x - radius, y + handle, x - radius, y);
        self.0.cubic_to(x - radius, y - handle, x - handle, y - radius, x, y - radius);
        self.0.cubic_to(x + handle, y - radius, x + radius, y - handle, x + radius, y);
        self.0.close();
    }
}
