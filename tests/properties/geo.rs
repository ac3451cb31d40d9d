use gpys::proto::geo::{
    Cell, Cover, MAX_COVER, MAX_LAT, MAX_LNG, Position, TOP_LEVEL, Viewport, cell_bits, cell_step,
    columns, rows,
};
use proptest::prelude::*;

fn position() -> impl Strategy<Value = Position> {
    (-MAX_LAT..=MAX_LAT, -MAX_LNG..=MAX_LNG).prop_map(|(lat, lng)| Position::new(lat, lng).unwrap())
}

fn viewport() -> impl Strategy<Value = Viewport> {
    (position(), position(), 0_u8..=255).prop_map(|(a, b, zoom)| Viewport {
        south: a.lat().min(b.lat()),
        north: a.lat().max(b.lat()),
        west: a.lng(),
        east: b.lng(),
        zoom,
    })
}

proptest! {
    #[test]
    fn steps_err_by_half_a_step_at_most(position in position(), level in 0..=TOP_LEVEL) {
        let cell = Cell::at(level, position);
        let (x, y) = cell.steps(position);
        prop_assert!(x < 1 << cell_bits(level) && y < 1 << cell_bits(level));
        let back = cell.position(x, y);
        let half = i64::from(cell_step(level) / 2).max(3);
        prop_assert!((i64::from(back.lat()) - i64::from(position.lat())).abs() <= half);
        prop_assert!((i64::from(back.lng()) - i64::from(position.lng())).abs() <= half);
        prop_assert!(cell.contains(back));
    }

    #[test]
    fn a_cover_holds_its_viewport(viewport in viewport(), position in position()) {
        let cover = Cover::of(viewport);
        prop_assert!(cover.len() <= MAX_COVER && cover.width <= 32);
        let found = cover.index(Cell::at(cover.level, position));
        prop_assert!(!viewport.contains(position) || found.is_some());
        for index in 0..cover.len() {
            let cell = cover.cell(index);
            prop_assert_eq!(cover.index(cell), Some(index));
            prop_assert!(cell.x < columns(cover.level) && cell.y < rows(cover.level));
        }
    }

    #[test]
    fn cells_nest(position in position(), fine in 0..TOP_LEVEL) {
        let cell = Cell::at(fine, position);
        for level in fine..=TOP_LEVEL {
            prop_assert_eq!(cell.ancestor(level), Cell::at(level, position));
            prop_assert!(cell.overlaps(cell.ancestor(level)));
        }
    }
}
