//! A client process that does what the test tells it: `src/bin/puppet.rs`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::process::Process;
use crate::programs::program;
use crate::site::Site;
use crate::watchdog;

static PUPPETS: AtomicU32 = AtomicU32::new(0);

/// A client process, or a forked child of one. Ended by SIGKILL when dropped.
pub struct Puppet {
    process: Process,
    child: Option<Child>,
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Puppet {
    pub(crate) fn start(site: &Site) -> Self {
        let (listener, path) = listener(site);
        let child = site
            .command(program("puppet"))
            .arg(&path)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let process = Process::of(child.id()).unwrap();
        Self::accept(&listener, process, Some(child))
    }

    fn accept(listener: &UnixListener, process: Process, child: Option<Child>) -> Self {
        watchdog::watch(process);
        let (writer, _) = listener.accept().unwrap();
        Self {
            process,
            child,
            reader: BufReader::new(writer.try_clone().unwrap()),
            writer,
        }
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> Process {
        self.process
    }

    /// Tells it to do something, and gives its answer.
    ///
    /// # Panics
    /// Where it could not do that.
    pub fn tell(&mut self, words: &[&str]) -> String {
        self.ask(words)
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Tells it to do something that may fail.
    ///
    /// # Errors
    /// What the puppet met.
    ///
    /// # Panics
    /// Where the puppet died.
    pub fn ask(&mut self, words: &[&str]) -> Result<String, String> {
        self.begin(words);
        self.finish()
    }

    /// Tells it to do something, and does not wait for its answer.
    ///
    /// # Panics
    /// Where the puppet died.
    pub fn begin(&mut self, words: &[&str]) {
        writeln!(self.writer, "{}", words.join(" ")).unwrap();
    }

    /// The answer to what was begun.
    ///
    /// # Errors
    /// What the puppet met.
    ///
    /// # Panics
    /// Where the puppet died.
    pub fn finish(&mut self) -> Result<String, String> {
        let mut line = String::new();
        assert!(
            self.reader.read_line(&mut line).unwrap() > 0,
            "the puppet died"
        );
        let line = line.trim_end();
        match line.split_once(' ').unwrap_or((line, "")) {
            ("ok", answer) => Ok(answer.to_owned()),
            (_, error) => Err(error.to_owned()),
        }
    }

    /// Forks it. The child keeps all that the puppet has, and is told things by itself.
    ///
    /// # Panics
    /// Where it can't fork.
    pub fn fork(&mut self, site: &Site) -> Self {
        let (listener, path) = listener(site);
        let pid = self.tell(&["fork", &path]).parse().unwrap();
        Self::accept(&listener, Process::of(pid).unwrap(), None)
    }

    /// SIGKILL, and waits for its end.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.process.kill();
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        self.end();
    }
}

fn listener(site: &Site) -> (UnixListener, String) {
    let number = PUPPETS.fetch_add(1, Ordering::Relaxed);
    let path = site.path(&format!("puppet{number}"));
    let listener = UnixListener::bind(&path).unwrap();
    (listener, path.to_str().unwrap().to_owned())
}
