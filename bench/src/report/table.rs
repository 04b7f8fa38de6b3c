//! The report as a table on a terminal.

use std::fmt;

use super::{Connect, Messages, Pages, Report, Server};
use crate::latency::Latency;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let setup = &self.setup;
        write!(f, "  {}: {} users in {} rooms", self.workload, setup.users, setup.rooms)?;
        if let Some(rate) = setup.rate {
            write!(f, ", {rate} a second")?;
        }
        if let Some(window) = setup.window {
            write!(f, ", {window} in flight")?;
        }
        let digits = if setup.seconds < 1.0 { 3 } else { 1 };
        writeln!(f, ", {:.digits$} s measured, {} chat-server(s)", setup.seconds, setup.chat_servers)?;
        writeln!(f, "  on {} ({} cores)\n", self.machine.cpu, self.machine.cores)?;
        row(f, "users and rooms made in s", format!("{:.1}", setup.setup_seconds))?;
        self.connect.iter().try_for_each(|connect| connect_rows(f, connect))?;
        if let Some(idle) = &self.idle {
            row(f, "still connected", idle.stayed)?;
            row(f, "held for s", format!("{:.1}", idle.held_seconds))?;
        }
        self.messages.iter().try_for_each(|messages| message_rows(f, messages))?;
        self.pages.iter().try_for_each(|pages| page_rows(f, pages))?;
        if let Some(resumes) = &self.resumes {
            row(f, "disconnected by this tool", resumes.disconnects)?;
            row(f, "resumed", resumes.resumed)?;
            fault(f, "not resumed", resumes.failed)?;
            fault(f, "reset by the server", resumes.resets)?;
            percentiles(f, "to RESUMED, ms", resumes.latency_ms.as_ref())?;
        }
        if let Some(slow) = &self.slow {
            row(f, "slow readers", slow.connections)?;
            row(f, "of them cut by the server", slow.cut)?;
        }
        self.server.iter().try_for_each(|server| server_rows(f, server))?;
        row(f, "tool: cores", format!("{:.2}", self.tool.cpu_cores))?;
        percentiles(f, "tool: behind schedule, ms", self.tool.lag_ms.as_ref())?;
        for warning in &self.warnings {
            write!(f, "\n  WARNING: {warning}")?;
        }
        for example in self.messages.iter().flat_map(|messages| &messages.examples) {
            write!(f, "\n  {example}")?;
        }
        write!(f, "\n  {}", if self.passed { "Every one accounted for." } else { "NOT everything is accounted for." })
    }
}

fn connect_rows(f: &mut fmt::Formatter, connect: &Connect) -> fmt::Result {
    row(f, "connected", connect.opened)?;
    fault(f, "not connected", connect.failed)?;
    for (why, times) in &connect.failures {
        row(f, &format!("  {why}"), times)?;
    }
    row(f, "connects a second", format!("{:.0}", connect.per_second))?;
    percentiles(f, "to AUTH_SUCCESS, ms", connect.latency_ms.as_ref())?;
    if let Some(micros) = connect.server_cpu_us_each {
        row(f, "server: CPU us a connect", format!("{micros:.0}"))?;
    }
    if let Some(bytes) = connect.server_bytes_each {
        row(f, "server: KB a connection", format!("{:.1}", bytes / 1000.0))?;
    }
    Ok(())
}

fn message_rows(f: &mut fmt::Formatter, messages: &Messages) -> fmt::Result {
    row(f, "published", messages.published)?;
    row(f, "acknowledged", messages.acknowledged)?;
    row(f, "refused", messages.refused)?;
    for (code, times) in &messages.errors {
        row(f, &format!("error {code}"), times)?;
    }
    row(f, "deliveries expected", messages.expected)?;
    row(f, "delivered", messages.delivered)?;
    if messages.caught_up > 0 {
        row(f, "of them caught up", messages.caught_up)?;
    }
    row(f, "delivered a second", format!("{:.0}", messages.delivered_per_second))?;
    percentiles(f, "delivery, ms", messages.delivery_ms.as_ref())?;
    percentiles(f, "acknowledgement, ms", messages.acknowledgement_ms.as_ref())?;
    for (kind, times) in &messages.other_frames {
        row(f, kind, times)?;
    }
    for (name, count) in [
        ("lost", messages.lost),
        ("doubled", messages.doubled),
        ("reordered", messages.reordered),
        ("foreign", messages.foreign),
        ("unanswered", messages.unanswered),
        ("unreadable", messages.unreadable),
        ("connections dropped", messages.dropped),
    ] {
        fault(f, name, count)?;
    }
    Ok(())
}

fn page_rows(f: &mut fmt::Formatter, pages: &Pages) -> fmt::Result {
    if pages.messages_in_room > 0 {
        row(f, "messages in the room", pages.messages_in_room)?;
    }
    row(f, "pages read", pages.read)?;
    row(f, "pages a second", format!("{:.0}", pages.per_second))?;
    percentiles(f, "page, ms", pages.latency_ms.as_ref())?;
    if let Some(micros) = pages.server_cpu_us_each {
        row(f, "server: CPU us a page", format!("{micros:.0}"))?;
    }
    for (code, times) in &pages.failed {
        fault(f, &format!("error {code}"), *times)?;
    }
    fault(f, "pages that were wrong", pages.wrong)
}

fn server_rows(f: &mut fmt::Formatter, server: &Server) -> fmt::Result {
    row(f, "server: cores", format!("{:.2}", server.cpu_cores))?;
    if let Some(micros) = server.cpu_us_per_delivery {
        row(f, "server: CPU us a delivery", format!("{micros:.2}"))?;
    }
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let memory = [server.memory_before, server.memory_connected, server.memory_after].map(mb);
    row(f, "server: MB before", format!("{:.1}", memory[0]))?;
    row(f, "server: MB connected", format!("{:.1}", memory[1]))?;
    row(f, "server: MB in the end", format!("{:.1}", memory[2]))
}

fn row(f: &mut fmt::Formatter, name: &str, value: impl fmt::Display) -> fmt::Result {
    writeln!(f, "  {name:<28}{value:>12}")
}

fn fault(f: &mut fmt::Formatter, name: &str, count: u64) -> fmt::Result {
    writeln!(f, "  {name:<28}{count:>12}{}", if count > 0 { "  <-" } else { "" })
}

fn percentiles(f: &mut fmt::Formatter, name: &str, latency: Option<&Latency>) -> fmt::Result {
    latency.map_or(Ok(()), |latency| writeln!(f, "  {name:<28}    {latency}"))
}
