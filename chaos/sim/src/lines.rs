//! The ends of connections at workers, application clients and the operator, whose machines know no network: sessions
//! with masters, single questions, and the calls that reach their own endpoints.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderMap;
use tanist_core::ids::Incarnation;
use tanist_core::model::LeaderInfo;
use tanist_core::msg::{AppToMaster, MasterToApp, MasterToWorker, WorkerToMaster};
use tanist_core::tracking::{self, LinkId};
use tanist_core::{app, worker};
use tanist_proto::convert::endpoint::{Acknowledgement, Identity, LeaderQuestion};
use tanist_proto::v1;

use crate::agenda::millis;
use crate::grpc::{self, Code, Messages};
use crate::net::{Party, Process};
use crate::operator::Question;
use crate::port::{CallId, ConnId, Frame, In, Open};
use crate::world::{Happening, World};

/// A connection for a session that is not taken is given up after so many milliseconds.
const CONNECT_MILLIS: u64 = 3_000;

/// A question without an answer is given up after so many milliseconds.
const ANSWER_MILLIS: u64 = 5_000;

/// The one call that a client's connection has.
const ONLY: CallId = CallId(1);

/// What a connection is to whom no library serves.
pub enum Line {
    /// A session with a master, and which.
    Session(Process, LinkId, Messages, bool),
    /// A question to a master.
    Question(Process, Question, Messages, bool),
    /// A master has dialled; the calls that it has begun.
    Served(BTreeMap<CallId, (String, Messages)>),
}

impl World {
    /// Sessions and questions of those who follow masters.
    pub fn tracks(&mut self, process: Process, effect: tracking::Effect) {
        match effect {
            tracking::Effect::Connect { link, address } => {
                let conn = self.net.new_conn();
                self.lines.insert(conn, Line::Session(process, link, Messages::default(), false));
                self.sessions.insert((process, link), conn);
                self.connect(conn, process, &address);
                self.agenda.after(millis(CONNECT_MILLIS), Happening::GivesUp { conn });
            }
            tracking::Effect::Disconnect { link } => {
                if let Some(conn) = self.session(process, link) {
                    self.take_line(conn);
                    self.send_frame(conn, process, ONLY, Frame::End(Box::default()));
                    self.close(conn, process);
                }
            }
            tracking::Effect::AskLeader { address, above } => {
                let asked = (process, address);
                if let (false, Some(asker)) = (self.standing.contains_key(&asked), self.identity(process.0)) {
                    let question = Question::AwaitLeader(Box::new(LeaderQuestion { above, asker }));
                    let conn = self.ask(process, &asked.1, question);
                    self.standing.insert(asked, conn);
                }
            }
        }
    }

    /// Asks a master something, on a connection of its own.
    pub fn ask(&mut self, process: Process, address: &str, question: Question) -> ConnId {
        let conn = self.net.new_conn();
        self.lines.insert(conn, Line::Question(process, question, Messages::default(), false));
        self.connect(conn, process, address);
        self.agenda.after(millis(ANSWER_MILLIS), Happening::GivesUp { conn });
        conn
    }

    /// Says something on a session.
    pub fn say_worker(&mut self, process: Process, link: LinkId, message: &WorkerToMaster) {
        self.say(process, link, grpc::encode(&v1::WorkerToMaster::from(message)));
    }

    /// The same of an application.
    pub fn say_app(&mut self, process: Process, link: LinkId, message: &AppToMaster) {
        self.say(process, link, grpc::encode(&v1::AppToMaster::from(message)));
    }

    fn say(&mut self, process: Process, link: LinkId, message: Bytes) {
        if let Some(conn) = self.session(process, link) {
            self.send_frame(conn, process, ONLY, Frame::Data(message));
        }
    }

    fn session(&self, process: Process, link: LinkId) -> Option<ConnId> {
        self.sessions.get(&(process, link)).copied()
    }

    fn take_line(&mut self, conn: ConnId) -> Option<Line> {
        let line = self.lines.remove(&conn);
        match &line {
            Some(Line::Session(process, link, ..)) => drop(self.sessions.remove(&(*process, *link))),
            Some(Line::Question(_, Question::AwaitLeader(_), ..)) => {
                self.standing.retain(|_, standing| *standing != conn);
            }
            _ => {}
        }
        line
    }

    /// The process has ended, and its connections with it.
    pub fn lines_end(&mut self, process: Process) {
        self.lines.retain(|_, line| match line {
            Line::Session(of, ..) | Line::Question(of, ..) => *of != process,
            Line::Served(_) => true,
        });
        let links = (process, LinkId(0))..=(process, LinkId(u64::MAX));
        let ended: Vec<_> = self.sessions.range(links).map(|(session, _)| *session).collect();
        for session in ended {
            self.sessions.remove(&session);
        }
        self.standing.retain(|(asker, _), _| *asker != process);
        self.process_ended(process);
    }

    /// Something has come to somebody without a library.
    pub fn line_hears(&mut self, process: Process, conn: ConnId, what: In) {
        match what {
            In::Accepted => self.line_opens(process, conn),
            In::Refused | In::Broken => self.line_ends(conn),
            In::Frame(call, Frame::Open(open)) => {
                let served = self.lines.entry(conn).or_insert_with(|| Line::Served(BTreeMap::new()));
                if let Line::Served(calls) = served {
                    calls.insert(call, (open.path, Messages::default()));
                }
            }
            In::Frame(call, frame) => match self.lines.get_mut(&conn) {
                Some(Line::Served(_)) => self.serves(process, conn, call, &frame),
                Some(_) => self.line_reads(process, conn, &frame),
                None => {}
            },
        }
    }

    /// Nobody answers in time.
    pub fn gives_up(&mut self, conn: ConnId) {
        let process = match self.lines.get(&conn) {
            // A standing question waits as long as its connection stands.
            Some(Line::Question(_, Question::AwaitLeader(_), _, true)) => return,
            Some(Line::Session(process, _, _, false) | Line::Question(process, ..)) => *process,
            _ => return,
        };
        self.line_ends(conn);
        self.close(conn, process);
    }

    fn line_opens(&mut self, process: Process, conn: ConnId) {
        let (path, first, link) = match self.lines.get_mut(&conn) {
            Some(Line::Session(_, link, _, open)) => {
                *open = true;
                let service = if matches!(process.0, Party::Worker(_)) { "WorkerService" } else { "AppService" };
                (format!("/tanist.v1.{service}/Session"), None, Some(*link))
            }
            Some(Line::Question(_, question, _, open)) => {
                *open = true;
                (question.path().to_owned(), Some(question.encode(self.broken)), None)
            }
            _ => return,
        };
        let open = Open { path, headers: headers() };
        self.send_frame(conn, process, ONLY, Frame::Open(Box::new(open)));
        if let Some(first) = first {
            self.send_frame(conn, process, ONLY, Frame::Data(first));
            self.send_frame(conn, process, ONLY, Frame::End(Box::default()));
        }
        match (link, process.0) {
            (Some(link), Party::Worker(host)) => {
                self.worker_event(host, process.1, worker::Event::LinkOpened { link });
            }
            (Some(link), Party::App(client)) => self.app_event(client, process.1, app::Event::LinkOpened { link }),
            _ => {}
        }
    }

    fn line_ends(&mut self, conn: ConnId) {
        match self.take_line(conn) {
            Some(Line::Session((Party::Worker(host), life), link, ..)) => {
                self.worker_event(host, life, worker::Event::LinkClosed { link });
            }
            Some(Line::Session((Party::App(client), life), link, ..)) => {
                self.app_event(client, life, app::Event::LinkClosed { link });
            }
            Some(Line::Question(process, question, ..)) => self.unanswered(process, question),
            _ => {}
        }
    }

    fn line_reads(&mut self, process: Process, conn: ConnId, frame: &Frame) {
        match frame {
            Frame::Data(data) => {
                if let Some(Line::Session(_, _, messages, _) | Line::Question(_, _, messages, _)) =
                    self.lines.get_mut(&conn)
                {
                    messages.take_in(data);
                }
                self.reads_messages(process, conn);
            }
            Frame::Head(headers) if grpc::code(headers).is_none() => {}
            Frame::Head(_) | Frame::End(_) | Frame::Reset | Frame::Open(_) => {
                self.line_ends(conn);
                self.close(conn, process);
            }
        }
    }

    fn reads_messages(&mut self, process: Process, conn: ConnId) {
        while let Some(line) = self.lines.get_mut(&conn) {
            match (line, process.0) {
                (Line::Session(_, link, messages, _), Party::Worker(host)) => {
                    let link = *link;
                    let Some(message) = messages.take::<v1::MasterToWorker>() else { return };
                    let message = MasterToWorker::try_from(message.unwrap()).unwrap();
                    self.worker_event(host, process.1, worker::Event::FromMaster { link, message });
                }
                (Line::Session(_, link, messages, _), Party::App(client)) => {
                    let link = *link;
                    let Some(message) = messages.take::<v1::MasterToApp>() else { return };
                    let message = MasterToApp::try_from(message.unwrap()).unwrap();
                    self.app_event(client, process.1, app::Event::FromMaster { link, message });
                }
                (Line::Question(_, question, messages, _), _) => {
                    let Some(answer) = question.decode(messages) else { return };
                    let question = question.clone();
                    self.take_line(conn);
                    self.close(conn, process);
                    self.answered(process, question, answer);
                }
                _ => return,
            }
        }
    }

    /// A call to an endpoint: it is answered once its message is there.
    fn serves(&mut self, process: Process, conn: ConnId, call: CallId, frame: &Frame) {
        let Some(Line::Served(calls)) = self.lines.get_mut(&conn) else { return };
        let Some((path, messages)) = calls.get_mut(&call) else { return };
        let Frame::Data(data) = frame else { return };
        messages.take_in(data);
        let answer = if path.ends_with("/Ping") {
            let Some(_) = messages.take::<v1::PingRequest>() else { return };
            self.identity(process.0).map(|identity| grpc::encode(&v1::PingReply::from(&identity)))
        } else {
            let Some(leader) = messages.take::<v1::LeaderInfo>() else { return };
            let leader = LeaderInfo::try_from(leader.unwrap()).unwrap();
            self.is_told_of(process, leader).map(|ack| grpc::encode(&v1::MasterChangedAck::from(&ack)))
        };
        let (code, why) = match &answer {
            Some(_) => (Code::OK, ""),
            None => (Code(9), "nobody is known here yet"),
        };
        self.send_frame(conn, process, call, Frame::Head(Box::new(grpc::head())));
        if let Some(answer) = answer {
            self.send_frame(conn, process, call, Frame::Data(answer));
        }
        self.send_frame(conn, process, call, Frame::End(Box::new(grpc::verdict(code, why))));
    }

    fn identity(&self, party: Party) -> Option<Identity> {
        match party {
            Party::Worker(host) => {
                let host = &self.hosts[host];
                Some(Identity::Worker { id: host.id.clone(), incarnation: Incarnation(host.life.into()) })
            }
            Party::App(client) => Some(Identity::App(self.clients[client].id().cloned())),
            _ => None,
        }
    }

    /// A leader announces itself; who is told answers with the highest term it has heard of.
    fn is_told_of(&mut self, (party, life): Process, leader: LeaderInfo) -> Option<Acknowledgement> {
        let heard = match party {
            Party::Worker(host) => {
                self.worker_event(host, life, worker::Event::LeaderNotice(leader));
                self.hosts[host].machine.as_ref()?.heard().cloned()
            }
            Party::App(client) => {
                self.app_event(client, life, app::Event::LeaderNotice(leader));
                self.clients[client].machine.as_ref()?.heard().cloned()
            }
            _ => None,
        };
        Some(Acknowledgement { identity: self.identity(party)?, heard: heard? })
    }

    /// Who follows masters hears who leads.
    pub fn hears_leader(&mut self, (party, life): Process, leader: LeaderInfo) {
        match party {
            Party::Worker(host) => self.worker_event(host, life, worker::Event::LeaderAnswer(leader)),
            Party::App(client) => self.app_event(client, life, app::Event::LeaderAnswer(leader)),
            _ => {}
        }
    }
}

fn headers() -> HeaderMap {
    let mut headers = grpc::head();
    headers.insert(http::header::TE, http::HeaderValue::from_static("trailers"));
    headers
}
