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
use super::field::{Affine, Field};

/// A step with fewer pairs costs more than the complete additions that it replaces.
const PAIRS_MIN: usize = 8;

/// The line through two points: its slope is `rise / run`.
struct Line<F> {
    rise: F,
    run: F,
}

/// The sums of secret points, in lists of one length. Two neighbouring runs of a list must not have equal or opposite
/// sums, unless the one begins and the other ends the list.
///
/// # Security
///
/// Constant-time: what is done depends on the lengths only. The last addition of a list is complete.
pub(super) fn secret_sums<G: Group>(mut lists: Vec<Vec<G::Affine>>) -> Vec<G> {
    let pairs = |list: &Vec<G::Affine>| if list.len() > 2 { list.len() / 2 } else { 0 };
    while lists.iter().map(pairs).sum::<usize>() >= PAIRS_MIN {
        halve(&mut lists, chord, sum);
    }
    let sums = lists.iter().map(|list| list.iter().fold(G::identity(), |sum, point| sum.add_affine(point)));
    let sums = sums.collect();
    lists.iter_mut().for_each(wipe);
    sums
}

/// The sums of public points, whatever they are.
pub(super) fn public_sums<A: Affine>(mut lists: Vec<Vec<A>>) -> Vec<A> {
    while lists.iter().any(|list| list.len() > 1) {
        halve(&mut lists, any_line, any_sum);
    }
    lists.into_iter().map(|list| list.first().copied().unwrap_or_default()).collect()
}

/// Adds the neighbours in every list, with one inversion for all.
fn halve<A: Affine>(
    lists: &mut [Vec<A>],
    line: impl Fn(&A, &A) -> Line<A::Field>,
    sum: impl Fn(&A, &A, &A::Field) -> A,
) {
    let pairs = lists.iter().flat_map(|list| list.as_chunks::<2>().0);
    let mut slopes = slopes(pairs.map(|[a, b]| line(a, b)).collect());
    let mut next = slopes.iter();
    for list in lists {
        let (pairs, rest) = list.as_chunks::<2>();
        let sums = pairs.iter().zip(&mut next).map(|([a, b], slope)| sum(a, b, slope));
        let mut halved = sums.chain(rest.iter().copied()).collect();
        core::mem::swap(list, &mut halved);
        wipe(&mut halved);
    }
    slopes.iter_mut().for_each(Field::wipe);
}

fn wipe<A: Affine>(list: &mut Vec<A>) {
    list.iter_mut().for_each(A::wipe);
}

/// `rise / run` for all, with one inversion.
fn slopes<F: Field>(mut lines: Vec<Line<F>>) -> Vec<F> {
    let mut product = F::one();
    let mut slopes = Vec::with_capacity(lines.len());
    for line in &lines {
        slopes.push(product);
        product = product.times(&line.run);
    }
    // 1 / (run_0 .. run_i), from the last to the first.
    let mut inverse = product.inverse();
    for (slope, line) in slopes.iter_mut().zip(&mut lines).rev() {
        *slope = slope.times(&inverse).times(&line.rise);
        inverse = inverse.times(&line.run);
        line.rise.wipe();
        line.run.wipe();
    }
    slopes
}

fn chord<A: Affine>(a: &A, b: &A) -> Line<A::Field> {
    let ([x1, y1], [x2, y2]) = (a.xy(), b.xy());
    Line { rise: y2.minus(y1), run: x2.minus(x1) }
}

fn sum<A: Affine>(a: &A, b: &A, slope: &A::Field) -> A {
    let ([x1, y1], [x2, _]) = (a.xy(), b.xy());
    let x3 = slope.square().minus(x1).minus(x2);
    let y3 = x1.minus(&x3).times(slope).minus(y1);
    A::from_xy(x3, y3)
}

fn any_line<A: Affine>(a: &A, b: &A) -> Line<A::Field> {
    if without_line(a, b).is_some() {
        return Line { rise: A::Field::default(), run: A::Field::one() };
    }
    let [x, y] = a.xy();
    if x != b.xy()[0] {
        return chord(a, b);
    }
    // The tangent: 3 x^2 / 2 y.
    let square = x.square();
    Line { rise: square.plus(&square).plus(&square), run: y.plus(y) }
}

fn any_sum<A: Affine>(a: &A, b: &A, slope: &A::Field) -> A {
    without_line(a, b).unwrap_or_else(|| sum(a, b, slope))
}

/// The sum, if one of the points is the identity or the other's negative.
fn without_line<A: Affine>(a: &A, b: &A) -> Option<A> {
    let identity = A::default();
    let ([x1, y1], [x2, y2]) = (a.xy(), b.xy());
    match (*a == identity, *b == identity) {
        (true, _) => Some(*b),
        (_, true) => Some(*a),
        _ if x1 == x2 && y1.plus(y2) == A::Field::default() => Some(identity),
        _ => None,
    }
}
