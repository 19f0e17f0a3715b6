//! Settings of variation, the same for every search for a front.

/// Defines the settings of a search: its own, then those of the operators.
macro_rules! settings {
    ($(#[$about:meta])* pub struct Settings { $($(#[$note:meta])* pub $name:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Settings {
            $($(#[$note])* pub $name: $type,)*
            /// Probability that a pair is crossed.
            #[serde(default)]
            pub crossover_probability: Option<f64>,
            /// Distribution index of the crossover of real genes.
            #[serde(default)]
            pub crossover_eta: Option<f64>,
            /// Probability that a gene is mutated; 1 / number of genes.
            #[serde(default)]
            pub mutation_probability: Option<f64>,
            /// Distribution index of the mutation of real genes.
            #[serde(default)]
            pub mutation_eta: Option<f64>,
            /// Crossover of integers, categories and booleans.
            #[serde(default)]
            pub discrete_crossover: crate::genetic::DiscreteCrossover,
            /// Cuts of `n_point`, 1 to 16; 2.
            #[serde(default)]
            pub n_points: Option<usize>,
            /// Mutation of integers.
            #[serde(default)]
            pub integer_mutation: crate::genetic::IntegerMutation,
            /// Mean step of `creep`, at least 1; 2.
            #[serde(default)]
            pub creep_step: Option<f64>,
            /// Crossover of permutations.
            #[serde(default)]
            pub permutation_crossover: crate::genetic::PermutationCrossover,
            /// Mutation of permutations.
            #[serde(default)]
            pub permutation_mutation: crate::genetic::PermutationMutation,
            /// Probability that a permutation is mutated; .3.
            #[serde(default)]
            pub permutation_probability: Option<f64>,
        }

        impl Settings {
            /// The operators, where the caller does not say with those of `usual`.
            fn operators(&self, usual: crate::genetic::Settings) -> crate::genetic::Settings {
                crate::genetic::Settings {
                    crossover_probability: self
                        .crossover_probability
                        .unwrap_or(usual.crossover_probability),
                    crossover_eta: self.crossover_eta.unwrap_or(usual.crossover_eta),
                    mutation_probability: self.mutation_probability,
                    mutation_eta: self.mutation_eta.unwrap_or(usual.mutation_eta),
                    discrete_crossover: self.discrete_crossover,
                    n_points: self.n_points.unwrap_or(usual.n_points),
                    integer_mutation: self.integer_mutation,
                    creep_step: self.creep_step.unwrap_or(usual.creep_step),
                    permutation_crossover: self.permutation_crossover,
                    permutation_mutation: self.permutation_mutation,
                    permutation_probability: self
                        .permutation_probability
                        .unwrap_or(usual.permutation_probability),
                    ..usual
                }
            }
        }
    };
}

pub(super) use settings;
