//! One island: a search, its part of the joint batch, and what migration knows of it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::migration;
use super::rows::{self, Rows};
use crate::algorithm::{Batch, Context, Origins, Scores, Spares};
use crate::column::Column;
use crate::error::{Error, Result};
use crate::method::Method;
use crate::run::Run;
use crate::space::Space;
use crate::threads::Threads;

/// One search and what migration knows of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Island {
    #[serde(serialize_with = "write_method", deserialize_with = "read_method")]
    pub method: Method,
    pub seed: u64,
    /// Its part of the batch asked last. Only lineage is saved, as the method wrote it: other
    /// islands may use other operators; the genomes stand in the joint batch.
    #[serde(serialize_with = "write_origins", deserialize_with = "read_origins")]
    pub batch: Batch,
    /// Its best rows so far, best first; kept only for [`Policy::Best`].
    pub elite: Rows,
    /// Rows on their way here.
    pub inbox: Rows,
    /// Identities that came lately, and are not taken again.
    pub received: Vec<u64>,
    #[serde(skip)]
    pub spares: Spares,
    #[serde(skip)]
    pub told: Rows,
    /// Rows on their way from here.
    #[serde(skip)]
    pub leaving: Rows,
    #[serde(skip)]
    pub scratch: migration::Scratch,
}

fn write_origins<S: Serializer>(
    batch: &Batch,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    batch.origins.serialize(serializer)
}

fn read_origins<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Batch, D::Error> {
    Ok(Batch { origins: Origins::deserialize(deserializer)?, ..Batch::default() })
}

fn write_method<S: Serializer>(
    method: &Method,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    let bytes = method.to_bytes().map_err(serde::ser::Error::custom)?;
    (method.name(), bytes).serialize(serializer)
}

fn read_method<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Method, D::Error> {
    let (name, bytes): (String, Vec<u8>) = Deserialize::deserialize(deserializer)?;
    // Before reading any further: nested islands could be as deep as the bytes are long.
    if name == "islands" {
        return Err(serde::de::Error::custom("islands inside islands"));
    }
    Method::from_bytes(&name, &bytes).map_err(serde::de::Error::custom)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

impl Island {
    pub fn new(state: &str, idx: usize, space: &Space) -> Result<Self> {
        let name = format!("states[{idx}]");
        let bytes = unhex(state)
            .ok_or_else(|| Error::setting(&*name, "a saved search in hexadecimal", "other text"))?;
        let run = Run::load(&bytes, Threads::one())?;
        if run.n_asked() > 0 {
            return Err(Error::setting(name, "a search that has not begun", "one under way"));
        }
        let (method, seed) = run.into_method();
        if matches!(method, Method::Islands(_)) {
            return Err(Error::setting(name, "a search other than islands", "islands"));
        }
        if method.algorithm().space() != space {
            return Err(Error::setting(name, "a search of the same space", "another space"));
        }
        Ok(Self::of(method, seed))
    }

    pub fn of(method: Method, seed: u64) -> Self {
        Self {
            method,
            seed,
            batch: Batch::default(),
            elite: Rows::default(),
            inbox: Rows::default(),
            received: Vec::new(),
            spares: Spares::default(),
            told: Rows::default(),
            leaving: Rows::default(),
            scratch: migration::Scratch::default(),
        }
    }

    /// Gives the batch its columns, which are not saved.
    fn ready(&mut self) {
        if self.batch.genomes.is_empty() {
            self.batch.genomes = self.method.algorithm().space().columns();
        }
    }

    /// Fills its part of the joint batch.
    pub fn ask(&mut self, n: usize, context: &Context) -> Result<()> {
        self.ready();
        self.spares.renew(&mut self.batch, self.method.algorithm().space());
        self.batch.ids.clear();
        self.method.algorithm_mut().ask(n, context, &mut self.batch)
    }

    /// Tells its method its part of the joint batch, with migrants in place of the worst rows.
    pub fn tell(
        &mut self,
        (genomes, scores): (&[Column], &Scores<'_>),
        (offset, n): (usize, usize),
        n_elite: usize,
        context: &Context,
    ) -> Result<()> {
        self.ready();
        for (to, from) in self.batch.genomes.iter_mut().zip(genomes) {
            rows::slice(to, from, offset, n);
        }
        let n_objectives = self.method.algorithm().n_objectives();
        let mut told = std::mem::take(&mut self.told);
        told.fill(scores, n, n_objectives, context.first_id);
        migration::settle(self, &mut told);
        let n_elite = n_elite.min(n);
        if n_elite > 0 && told.n_objectives == 1 {
            migration::keep_best(self, &told, n_elite);
        }
        let done = self.method.algorithm_mut().tell(&self.batch, &told.scores(), context);
        self.told = told;
        done
    }

    /// Whether loaded parts are of the space and agree.
    pub fn check(&self, space: &Space) -> Result<()> {
        let algorithm = self.method.algorithm();
        if algorithm.space() != space {
            return Err(Error::setting("islands", "searches of one space", "others"));
        }
        self.elite.check(space, algorithm.n_objectives())?;
        self.inbox.check(space, algorithm.n_objectives())?;
        if self.received.len() > migration::RECEIVED_MAX {
            let expected = format!("at most {}", migration::RECEIVED_MAX);
            return Err(Error::batch("migrants", expected, self.received.len()));
        }
        let Origins { parents, operators, tags } = &self.batch.origins;
        let n = parents.n_rows().max(operators.n_rows()).max(tags.n_rows());
        let lengths = [parents.n_rows(), operators.as_slice().len(), tags.as_slice().len()];
        match lengths.into_iter().find(|len| *len != 0 && *len != n) {
            Some(len) => Err(Error::batch("lineage", format!("{n} rows"), len)),
            None => Ok(()),
        }
    }

    pub fn n_rows(&self) -> usize {
        self.method.algorithm().batch_size()
    }

    pub fn context(&self, outer: &Context, offset: usize, threads: &Threads) -> Context {
        Context {
            seed: self.seed,
            generation: outer.generation,
            first_id: outer.first_id.wrapping_add(offset as u64),
            threads: threads.clone(),
        }
    }
}
