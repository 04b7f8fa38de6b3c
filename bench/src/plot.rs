//! Reports as pictures (SVG): percentiles of each run, and what a delivery and a connection cost against how many
//! connections there are.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;
use plotters::{coord::Shift, prelude::*};

use crate::{latency::Latency, report::Report};

const SIZE: (u32, u32) = (900, 540);
/// Told apart by people who do not see all colours (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];
const FONT: &str = "sans-serif";

/// A named line of points.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// Draws what the reports have into `directory`: `delivery.svg`, `acknowledgement.svg`, `connect.svg`, `page.svg`,
/// `resume.svg` and, from runs with different numbers of connections, `cost.svg` and `memory.svg`.
pub fn draw(reports: &[Report], directory: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
    let latencies: [(&str, &str, Pick); 5] = [
        ("delivery", "From due to delivered", |r| r.messages.as_ref()?.delivery_ms.as_ref()),
        ("acknowledgement", "From due to acknowledged", |r| r.messages.as_ref()?.acknowledgement_ms.as_ref()),
        ("connect", "From connecting to AUTH_SUCCESS", |r| r.connect.as_ref()?.latency_ms.as_ref()),
        ("page", "From due to a page of history", |r| r.pages.as_ref()?.latency_ms.as_ref()),
        ("resume", "From reconnecting to RESUMED", |r| r.resumes.as_ref()?.latency_ms.as_ref()),
    ];
    for (file, title, pick) in latencies {
        let curves = percentiles(reports, pick);
        if !curves.is_empty() {
            let axes = Axes { title, x: "percentile", y: "ms", percentiles: true };
            picture(&directory.join(file).with_extension("svg"), &axes, &curves)?;
        }
    }
    let costs: [(&str, &str, &str, Cost); 2] = [
        ("cost", "What a delivery costs the server", "CPU µs a delivery", |r| r.server.as_ref()?.cpu_us_per_delivery),
        ("memory", "What a connection costs the server", "KB a connection", |r| {
            r.connect.as_ref()?.server_bytes_each.map(|bytes| bytes / 1000.0)
        }),
    ];
    for (file, title, y, cost) in costs {
        let curves = against_connections(reports, cost);
        if !curves.is_empty() {
            let axes = Axes { title, x: "connections", y, percentiles: false };
            picture(&directory.join(file).with_extension("svg"), &axes, &curves)?;
        }
    }
    Ok(())
}

type Pick = fn(&Report) -> Option<&Latency>;
type Cost = fn(&Report) -> Option<f64>;

/// One curve for each run: how many nines a percentile has, against milliseconds.
pub fn percentiles(reports: &[Report], pick: Pick) -> Vec<Curve> {
    let curve = |report: &Report| {
        let latency = pick(report)?;
        let nines = |percentile: f64| match percentile {
            // The worst of so many samples.
            p if p >= 100.0 => (latency.samples as f64).log10(),
            p => -(1.0 - p / 100.0).log10(),
        };
        let mut points: Vec<_> = latency.curve.iter().map(|&(p, ms)| (nines(p), ms)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Some(Curve { name: name(report), points })
    };
    reports.iter().filter_map(curve).collect()
}

/// One curve for each workload and label: the median of the runs with as many connections. None where all runs have
/// as many.
pub fn against_connections(reports: &[Report], cost: Cost) -> Vec<Curve> {
    let mut runs: BTreeMap<String, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
    for report in reports {
        if let Some(cost) = cost(report) {
            runs.entry(family(report)).or_default().entry(report.setup.users).or_default().push(cost);
        }
    }
    let median = |mut costs: Vec<f64>| {
        costs.sort_by(f64::total_cmp);
        costs[costs.len() / 2]
    };
    let curve = |(name, by_users): (String, BTreeMap<usize, Vec<f64>>)| Curve {
        name,
        points: by_users.into_iter().map(|(users, costs)| (users as f64, median(costs))).collect(),
    };
    runs.into_iter().map(curve).filter(|curve| curve.points.len() > 1).collect()
}

fn family(report: &Report) -> String {
    let label = if report.label.is_empty() { String::new() } else { format!(" {}", report.label) };
    format!("{}{label}", report.workload)
}

fn name(report: &Report) -> String {
    let pace = match (report.setup.rate, report.setup.window) {
        (_, Some(window)) => format!(", {window} in flight"),
        (Some(rate), None) => format!(", {rate}/s"),
        (None, None) => String::new(),
    };
    format!("{}: {} users{pace}", family(report), report.setup.users)
}

struct Axes<'a> {
    title: &'a str,
    x: &'a str,
    y: &'a str,
    /// The x axis counts nines; the y axis is logarithmic.
    percentiles: bool,
}

fn picture(file: &Path, axes: &Axes, curves: &[Curve]) -> anyhow::Result<()> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    let drawn = if axes.percentiles { draw_percentiles(&root, axes, curves) } else { draw_cost(&root, axes, curves) };
    drawn
        .and_then(|()| root.present().map_err(|e| anyhow::anyhow!("{e}")))
        .with_context(|| format!("draw {}", file.display()))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw_percentiles(root: &Area, axes: &Axes, curves: &[Curve]) -> anyhow::Result<()> {
    let (right, (low, top)) = (extent(curves, |point| point.0).1.max(1.0), extent(curves, |point| point.1));
    let y = (low.max(0.01) * 0.8..top.max(0.02) * 1.25).log_scale();
    root.fill(&WHITE).map_err(failed)?;
    let mut chart = builder(root, axes).build_cartesian_2d(0.0..right, y).map_err(failed)?;
    chart
        .configure_mesh()
        .x_desc(axes.x)
        .y_desc(axes.y)
        .x_labels(right.ceil() as usize + 1)
        .x_label_formatter(&percentile)
        .y_label_formatter(&|ms| short(*ms))
        .label_style((FONT, 15))
        .light_line_style(WHITE)
        .draw()
        .map_err(failed)?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let line = LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2));
        chart.draw_series(line).map_err(failed)?.label(&curve.name).legend(legend(*colour));
    }
    let mut labels = chart.configure_series_labels();
    labels.position(SeriesLabelPosition::LowerRight).label_font((FONT, 15)).background_style(WHITE.mix(0.85));
    labels.draw().map_err(failed)
}

fn draw_cost(root: &Area, axes: &Axes, curves: &[Curve]) -> anyhow::Result<()> {
    let (right, top) = (extent(curves, |point| point.0).1, extent(curves, |point| point.1).1);
    root.fill(&WHITE).map_err(failed)?;
    let mut chart = builder(root, axes).build_cartesian_2d(0.0..right * 1.05, 0.0..top * 1.3).map_err(failed)?;
    chart
        .configure_mesh()
        .x_desc(axes.x)
        .y_desc(axes.y)
        .x_label_formatter(&|x| short(*x))
        .y_label_formatter(&|y| short(*y))
        .label_style((FONT, 15))
        .light_line_style(WHITE)
        .draw()
        .map_err(failed)?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let line = LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2)).point_size(4);
        chart.draw_series(line).map_err(failed)?.label(&curve.name).legend(legend(*colour));
    }
    let mut labels = chart.configure_series_labels();
    labels.position(SeriesLabelPosition::UpperRight).label_font((FONT, 15)).background_style(WHITE.mix(0.85));
    labels.draw().map_err(failed)
}

fn builder<'a, 'b>(root: &'a Area<'b>, axes: &Axes) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(root);
    builder.caption(axes.title, (FONT, 22)).margin(16).x_label_area_size(46).y_label_area_size(64);
    builder
}

fn legend(colour: RGBColor) -> impl Fn((i32, i32)) -> PathElement<(i32, i32)> {
    move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2))
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

/// The smallest and the largest.
fn extent(curves: &[Curve], value: fn(&(f64, f64)) -> f64) -> (f64, f64) {
    let values = || curves.iter().flat_map(|curve| &curve.points).map(value);
    (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max))
}

/// 2 nines are 99 %.
fn percentile(nines: &f64) -> String {
    let digits = (nines - 2.0).max(0.0).round() as usize;
    format!("{:.digits$} %", 100.0 * (1.0 - 10f64.powf(-nines)))
}

/// Without digits that say nothing.
fn short(value: f64) -> String {
    match value {
        v if v >= 10_000.0 => format!("{:.0}k", v / 1000.0),
        v if v >= 10.0 || v == 0.0 => format!("{v:.0}"),
        v if v >= 1.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

#[cfg(test)]
mod tests;
