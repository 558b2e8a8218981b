//! Sums of affine points: additions that share their inversions.
//!
//! `lambda = (y2 - y1)/(x2 - x1)`, `x3 = lambda^2 - x1 - x2`, `y3 = lambda*(x1 - x3) - y1`. With Montgomery's trick the
//! inversion of a pair costs three multiplications and its share of one inversion for all: six in all, where the complete
//! formula takes thirteen.
//!
//! # Source
//!
//! Montgomery, Speeding the Pollard and elliptic curve methods of factorization (1987), section 10.3.1.

use super::Group;
use super::field::{Affine, Field, wipe};

/// A step with fewer pairs costs more than the complete additions that it replaces.
const PAIRS_MIN: usize = 8;

/// The line through two points: its slope is `rise / run`.
struct Line<F> {
    rise: F,
    run: F,
    /// The product of all runs before.
    before: F,
}

impl<F: Field> Line<F> {
    fn new(rise: F, run: F) -> Self {
        Self { rise, run, before: F::default() }
    }

    fn wipe(&mut self) {
        wipe(&mut [&mut self.rise, &mut self.run, &mut self.before]);
    }
}

/// The sums of secret points, in lists of one length. Two neighbouring runs of a list must not have equal or opposite
/// sums, unless the one begins and the other ends the list.
///
/// # Security
///
/// Constant-time: what is done depends on the lengths only. The last addition of a list is complete.
pub(super) fn secret_sums<G: Group>(mut lists: Vec<Vec<G::Affine>>) -> Vec<G> {
    let mut lines = Vec::new();
    let pairs = |list: &Vec<G::Affine>| if list.len() > 2 { list.len() / 2 } else { 0 };
    while lists.iter().map(pairs).sum::<usize>() >= PAIRS_MIN {
        halve(&mut lists, &mut lines, chord, sum);
        lines.iter_mut().for_each(Line::wipe);
    }
    let sums = lists.iter().map(|list| list.iter().fold(G::identity(), |sum, point| sum.add_affine(point)));
    let sums = sums.collect();
    lists.iter_mut().flatten().for_each(Affine::wipe);
    sums
}

/// Sums of public points, whatever they are. It keeps its memory for the next.
pub(super) struct PublicSums<A: Affine>(Vec<Line<A::Field>>);

impl<A: Affine> PublicSums<A> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Replaces every list by its sum; empty lists stay empty.
    pub(super) fn reduce(&mut self, lists: &mut [Vec<A>]) {
        while lists.iter().any(|list| list.len() > 1) {
            halve(lists, &mut self.0, any_line, any_sum);
        }
    }
}

/// Adds the neighbours in every list, with one inversion for all.
fn halve<A: Affine>(
    lists: &mut [Vec<A>],
    lines: &mut Vec<Line<A::Field>>,
    line: impl Fn(&A, &A) -> Line<A::Field>,
    sum: impl Fn(&A, &A, &A::Field) -> A,
) {
    let pairs = lists.iter().flat_map(|list| list.as_chunks::<2>().0);
    lines.clear();
    lines.extend(pairs.map(|[a, b]| line(a, b)));
    divide(lines);
    let mut lines = lines.iter();
    for list in lists {
        for place in 0..list.len() / 2 {
            let pair = list.as_chunks::<2>().0.get(place);
            let sum = pair.zip(lines.next()).map(|([a, b], line)| sum(a, b, &line.rise));
            if let Some((out, sum)) = list.get_mut(place).zip(sum) {
                *out = sum;
            }
        }
        shorten(list);
    }
}

/// Leaves the sums, which are in the first half, and the last point if it had no neighbour.
fn shorten<A: Affine>(list: &mut Vec<A>) {
    let sums = list.len() / 2;
    if list.len() % 2 == 1 {
        list.swap(sums, 2 * sums);
    }
    let kept = list.len().div_ceil(2);
    list.iter_mut().skip(kept).for_each(A::wipe);
    list.truncate(kept);
}

/// Replaces every `rise` by `rise / run`, with one inversion.
fn divide<F: Field>(lines: &mut [Line<F>]) {
    let mut product = F::one();
    for line in lines.iter_mut() {
        line.before = product;
        product = product.times(&line.run);
    }
    // 1 / (run_0 .. run_i), from the last to the first.
    let mut inverse = product.inverse();
    for line in lines.iter_mut().rev() {
        line.rise = line.rise.times(&line.before).times(&inverse);
        inverse = inverse.times(&line.run);
    }
}

fn chord<A: Affine>(a: &A, b: &A) -> Line<A::Field> {
    let ([x1, y1], [x2, y2]) = (a.xy(), b.xy());
    Line::new(y2.minus(y1), x2.minus(x1))
}

fn sum<A: Affine>(a: &A, b: &A, slope: &A::Field) -> A {
    let ([x1, y1], [x2, _]) = (a.xy(), b.xy());
    let x3 = slope.square().minus(x1).minus(x2);
    let y3 = x1.minus(&x3).times(slope).minus(y1);
    A::from_xy(x3, y3)
}

fn any_line<A: Affine>(a: &A, b: &A) -> Line<A::Field> {
    let ([x1, y], [x2, _]) = (a.xy(), b.xy());
    if without_line(a, b).is_some() {
        return Line::new(A::Field::default(), A::Field::one());
    }
    if x1 != x2 {
        return chord(a, b);
    }
    // The tangent: 3 x^2 / 2 y.
    let square = x1.square();
    Line::new(square.plus(&square).plus(&square), y.plus(y))
}

fn any_sum<A: Affine>(a: &A, b: &A, slope: &A::Field) -> A {
    without_line(a, b).unwrap_or_else(|| sum(a, b, slope))
}

/// The sum, if one of the points is the identity or the other's negative.
fn without_line<A: Affine>(a: &A, b: &A) -> Option<A> {
    let ([x1, y1], [x2, y2]) = (a.xy(), b.xy());
    match (a.is_identity(), b.is_identity()) {
        (true, _) => Some(*b),
        (_, true) => Some(*a),
        _ if x1 == x2 && y1.plus(y2) == A::Field::default() => Some(A::default()),
        _ => None,
    }
}
