//! The registry: every search by name, built from JSON settings, saved and loaded.

use serde::de::Error as _;

use crate::algorithm::{Algorithm, Build};
use crate::error::{Error, Result};
use crate::space::Space;

fn build<M: Build>(name: &str, space: Space, settings: &str, seed: u64) -> Result<Box<M>> {
    let reader = &mut serde_json::Deserializer::from_str(settings);
    let settings = serde_path_to_error::deserialize(reader).map_err(|error| {
        let place = error.path().to_string();
        let place = if place == "." { format!("settings of {name}") } else { place };
        let message = error.into_inner().to_string();
        let what = message.split(" at line").next().unwrap_or_default();
        Error::setting(place, "a setting of known name and type", what)
    })?;
    Ok(Box::new(M::build(space, settings, seed)?))
}

fn unreadable(error: &impl ToString) -> Error {
    Error::State { reason: error.to_string() }
}

macro_rules! methods {
    ($($variant:ident($type:ty) = $name:literal,)*) => {
        /// A search of any kind.
        #[derive(Debug)]
        #[non_exhaustive]
        pub enum Method {
            $(#[doc = concat!("`", $name, "`.")] $variant(Box<$type>),)*
        }

        impl Method {
            /// Every name that [`Method::new`] knows.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            /// A fresh search by name.
            ///
            /// # Errors
            /// An unknown name, settings that do not fit, a space that it cannot search.
            pub fn new(name: &str, space: Space, settings: &str, seed: u64) -> Result<Self> {
                match name {
                    $($name => build::<$type>(name, space, settings, seed).map(Self::$variant),)*
                    other => Err(Error::setting("method", Self::NAMES.join(", "), other)),
                }
            }

            /// Its name.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }

            /// What it does.
            pub fn algorithm(&self) -> &dyn Algorithm {
                match self {
                    $(Self::$variant(method) => method.as_ref(),)*
                }
            }

            /// What it does, for ask and tell.
            pub fn algorithm_mut(&mut self) -> &mut dyn Algorithm {
                match self {
                    $(Self::$variant(method) => method.as_mut(),)*
                }
            }

            /// Its state as bytes.
            ///
            /// # Errors
            /// Never, unless memory for the bytes runs out.
            pub fn to_bytes(&self) -> Result<Vec<u8>> {
                match self {
                    $(Self::$variant(method) => postcard::to_stdvec(method.as_ref()),)*
                }
                .map_err(|error| unreadable(&error))
            }

            /// The state that [`Method::to_bytes`] wrote.
            ///
            /// # Errors
            /// An unknown name, bytes that are damaged, or a state that no search wrote.
            pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self> {
                let (method, rest) = match name {
                    $($name => postcard::take_from_bytes::<$type>(bytes)
                        .map(|(method, rest)| (Self::$variant(Box::new(method)), rest)),)*
                    other => Err(postcard::Error::custom(format_args!("unknown method {other}"))),
                }
                .map_err(|error| unreadable(&error))?;
                if !rest.is_empty() {
                    return Err(unreadable(&"it is longer than it should be"));
                }
                method.algorithm().check_state().map_err(|error| match error {
                    Error::State { .. } => error,
                    other => unreadable(&other),
                })?;
                Ok(method)
            }
        }
    };
}

methods! {
    Islands(crate::islands::Islands) = "islands",
    Cmaes(crate::cma::Cmaes) = "cmaes",
    LmMaEs(crate::nes::LmMaEs) = "lm_ma_es",
    OpenAiEs(crate::nes::OpenAiEs) = "openai_es",
    Xnes(crate::nes::Xnes) = "xnes",
    RandomSearch(crate::random::RandomSearch) = "random_search",
    GeneticAlgorithm(crate::genetic::GeneticAlgorithm) = "ga",
    MapElites(crate::quality_diversity::map_elites::MapElites) = "map_elites",
    CmaMe(crate::quality_diversity::emitters::CmaMe) = "cma_me",
    CmaMae(crate::quality_diversity::emitters::CmaMae) = "cma_mae",
    NoveltySearch(crate::novelty::search::NoveltySearch) = "novelty_search",
    De(crate::differential::De) = "de",
    Jade(crate::differential::Jade) = "jade",
    Lshade(crate::differential::Lshade) = "lshade",
    Pso(crate::swarm::Pso) = "pso",
    Auto(crate::portfolio::Auto) = "auto",
    Nsga2(crate::multi::Nsga2) = "nsga2",
    Nsga3(crate::multi::Nsga3) = "nsga3",
    SmsEmoa(crate::multi::SmsEmoa) = "sms_emoa",
    Moead(crate::multi::Moead) = "moead",
}
