#![expect(
    unsafe_code,
    reason = "the tests kill clients that have forked, so one has to fork"
)]
//! A client that does what a test tells it over a socket, a line at a time. It has one thread.
//!
//! Each line is answered by `ok ANSWER` or `err MESSAGE`. What it opens it keeps until it is told to let go, or ends.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use arena_client::{
    ArrayLayout, Client, Dtype, Endpoint, Filling, Object, ReadGuard, Shared, Sharing, WriteGuard,
};
use nix::unistd::{ForkResult, fork};

type Answer = Result<String, Box<dyn Error>>;

/// All that it holds, by name. Guards borrow what they guard, which therefore is never dropped.
#[derive(Default)]
struct Puppet {
    client: Option<Client>,
    fillings: HashMap<String, Filling>,
    objects: HashMap<String, Object>,
    shared: HashMap<String, &'static Shared>,
    reads: Vec<ReadGuard<'static>>,
    writes: Vec<WriteGuard<'static>>,
}

fn main() -> ExitCode {
    let path = std::env::args().nth(1).unwrap_or_default();
    match serve(&mut Puppet::default(), path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("puppet: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(puppet: &mut Puppet, mut path: String) -> Result<(), Box<dyn Error>> {
    loop {
        let stream = UnixStream::connect(&path)?;
        match obey(puppet, &stream)? {
            // This is the child: it is told things elsewhere. Its parent's stream is open in the parent.
            Some(other) => path = other,
            None => return Ok(()),
        }
    }
}

/// Does what it is told until the stream ends. A forked child returns the path of its own one.
fn obey(puppet: &mut Puppet, stream: &UnixStream) -> Result<Option<String>, Box<dyn Error>> {
    let mut writer = stream;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["fork", path] => {
                // SAFETY: this process has one thread.
                match unsafe { fork() } {
                    Ok(ForkResult::Child) => return Ok(Some(path.to_owned())),
                    Ok(ForkResult::Parent { child }) => Ok(child.to_string()),
                    Err(error) => Err(error.into()),
                }
            }
            _ => puppet.act(&words),
        };
        match answer {
            Ok(answer) => writeln!(writer, "ok {answer}")?,
            Err(error) => writeln!(writer, "err {}", told(&*error))?,
        }
    }
    Ok(None)
}

fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text.replace('\n', " ")
}

impl Puppet {
    fn client(&self) -> Result<&Client, Box<dyn Error>> {
        self.client.as_ref().ok_or("not connected".into())
    }

    fn shared(&self, name: &str) -> Result<&'static Shared, Box<dyn Error>> {
        self.shared.get(name).copied().ok_or("not open".into())
    }

    fn act(&mut self, words: &[&str]) -> Answer {
        match *words {
            ["connect", path] => {
                self.client = Some(Client::connect(&Endpoint::Path(Path::new(path).into()))?);
                Ok(String::new())
            }
            ["session"] => Ok(self.client()?.session_id()?.to_string()),
            ["embed", bytes] => {
                let builder = Client::builder().size(bytes.parse()?).workers(2);
                let client = builder.embedded()?;
                let pid = client.supervisor_pid()?;
                self.client = Some(client);
                Ok(pid.to_string())
            }
            // An array of bytes that is being filled.
            ["fill", name, bytes, value] => {
                let mut filling = self.client()?.create(bytes_layout(bytes)?, name)?;
                filling.bytes_mut()?.fill(value.parse()?);
                self.fillings.insert(name.to_owned(), filling);
                Ok(String::new())
            }
            ["seal", name] => {
                let filling = self.fillings.remove(name).ok_or("not being filled")?;
                self.objects.insert(name.to_owned(), filling.seal()?);
                Ok(String::new())
            }
            ["abandon", name] => {
                self.fillings.remove(name).ok_or("not being filled")?;
                Ok(String::new())
            }
            ["put", name, bytes, value] => {
                let bytes = vec![value.parse::<u8>()?; bytes.parse()?];
                let object = self.client()?.put(name, &ndarray::Array1::from(bytes))?;
                self.objects.insert(name.to_owned(), object);
                Ok(String::new())
            }
            ["put-anonymous", key, bytes, value] => {
                let bytes = vec![value.parse::<u8>()?; bytes.parse()?];
                let object = self.client()?.put(None, &ndarray::Array1::from(bytes))?;
                let id = object.id().to_string();
                self.objects.insert(key.to_owned(), object);
                Ok(id)
            }
            ["get", name] => {
                let object = self.client()?.get(name)?;
                self.objects.insert(name.to_owned(), object);
                Ok(String::new())
            }
            // The sum over the bytes that it sees through its own mapping.
            ["look", name] => {
                let object = self.objects.get(name).ok_or("not held")?;
                let sum: u64 = object.bytes().iter().map(|byte| u64::from(*byte)).sum();
                Ok(sum.to_string())
            }
            ["release", name] => {
                self.objects.remove(name).ok_or("not held")?;
                // Pins are taken back with the next request.
                self.client()?.stats()?;
                Ok(String::new())
            }
            ["run", kernel, name] => {
                let ran = self.client()?.run(kernel).input(name).call()?;
                Ok(ran.float()?.to_string())
            }
            ["run-int", kernel, name] => {
                let ran = self.client()?.run(kernel).input(name).call()?;
                Ok(ran.int()?.to_string())
            }
            ["remove", name] => {
                self.objects.remove(name);
                self.client()?.remove(name)?;
                Ok(String::new())
            }
            _ => self.act_on_shared(words),
        }
    }

    fn act_on_shared(&mut self, words: &[&str]) -> Answer {
        match *words {
            ["share", name, elements, images] => {
                let layout = ArrayLayout::c_order(Dtype::Float64, &[elements.parse()?])?;
                let sharing = Sharing {
                    before_images: images == "images",
                    ..Sharing::default()
                };
                let shared = self.client()?.create_shared(layout, name, sharing)?;
                self.keep(name, shared);
                Ok(String::new())
            }
            ["open", name] => {
                let shared = self.client()?.shared(name)?;
                self.keep(name, shared);
                Ok(String::new())
            }
            ["read", name, start, end] => {
                let guard = self.shared(name)?.read(range(start, end)?)?;
                let sum: f64 = guard.slice::<f64>()?.iter().sum();
                self.reads.push(guard);
                Ok(sum.to_string())
            }
            // Takes the lock, writes and keeps the lock.
            ["write", name, start, end, value] => {
                let mut guard = self.shared(name)?.write(range(start, end)?)?;
                guard.slice_mut::<f64>()?.fill(value.parse()?);
                self.writes.push(guard);
                Ok(String::new())
            }
            ["write-within", name, start, end, ms] => {
                let patience = Duration::from_millis(ms.parse()?);
                let guard = self
                    .shared(name)?
                    .write_within(range(start, end)?, patience)?;
                self.writes.push(guard);
                Ok(String::new())
            }
            ["overwrite", name, value] => {
                let mut guard = self.shared(name)?.overwrite(..)?;
                guard.slice_mut::<f64>()?.fill(value.parse()?);
                self.writes.push(guard);
                Ok(String::new())
            }
            ["commit"] => {
                for guard in self.writes.drain(..) {
                    guard.commit()?;
                }
                Ok(String::new())
            }
            ["unread"] => {
                self.reads.clear();
                Ok(String::new())
            }
            _ => Err("what?".into()),
        }
    }

    fn keep(&mut self, name: &str, shared: Shared) {
        self.shared
            .insert(name.to_owned(), Box::leak(Box::new(shared)));
    }
}

fn range(start: &str, end: &str) -> Result<Range<u64>, Box<dyn Error>> {
    Ok(start.parse()?..end.parse()?)
}

fn bytes_layout(bytes: &str) -> Result<ArrayLayout, Box<dyn Error>> {
    Ok(ArrayLayout::c_order(Dtype::Uint8, &[bytes.parse()?])?)
}
