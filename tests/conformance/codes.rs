//! Codes of the records that the runner sends: for each vaccine type, procedures and products (SNOMED CT and dm+d).
//! Source: the national immunisation API's published test vocabulary.

/// A SNOMED CT code and its term.
pub type Code = (&'static str, &'static str);

/// What is given against a vaccine type's diseases.
pub struct Codes {
    /// Vaccine type.
    pub vaccine: &'static str,
    /// Procedures.
    pub procedures: &'static [Code],
    /// Products with their manufacturers.
    pub products: &'static [(Code, &'static str)],
}

/// Where in the body.
pub const SITES: &[Code] = &[("368208006", "Left upper arm structure"), ("368209003", "Right upper arm structure")];
/// By which route.
pub const ROUTES: &[Code] = &[("78421000", "Intramuscular"), ("34206005", "Subcutaneous route (qualifier value)")];
/// Why.
pub const REASON: Code = ("443684005", "Disease outbreak (event)");
/// The unit of a dose.
pub const DOSE_UNIT: Code = ("2622896019", "Inhalation - unit of product usage");

/// The codes of a vaccine type; `None` where it is none.
#[must_use]
pub fn of(vaccine: &str) -> Option<&'static Codes> {
    CODES.iter().find(|codes| codes.vaccine.eq_ignore_ascii_case(vaccine))
}

#[rustfmt::skip]
const CODES: &[Codes] = &[
    Codes {
        vaccine: "COVID",
        procedures: &[("1362591000000103", "Immunisation course to maintain protection against SARS-CoV-2 (severe acute respiratory syndrome coronavirus 2)")],
        products: &[
            (("43111411000001101", "Comirnaty JN.1 COVID-19 mRNA Vaccine 30micrograms/0.3ml dose dispersion for injection multidose vials (Pfizer Ltd)"), "Pfizer Ltd"),
            (("43113211000001101", "Comirnaty JN.1 Children 6 months - 4 years COVID-19 mRNA Vaccine 3micrograms/0.3ml dose concentrate for dispersion for injection multidose vials (Pfizer Ltd)"), "Pfizer Ltd"),
        ],
    },
    Codes {
        vaccine: "FLU",
        procedures: &[("884861000000100", "Seasonal influenza vaccination (procedure)")],
        products: &[
            (("34680411000001107", "Quadrivalent influenza vaccine (split virion, inactivated) suspension for injection 0.5ml pre-filled syringes (Sanofi Pasteur)"), "Sanofi Pasteur"),
        ],
    },
    Codes {
        vaccine: "RSV",
        procedures: &[("1303503001", "Administration of RSV (respiratory syncytial virus) vaccine")],
        products: &[
            (("42223111000001107", "Arexvy vaccine powder and suspension for suspension for injection 0.5ml vials (GlaxoSmithKline UK Ltd)"), "GlaxoSmithKline UK Ltd"),
            (("42605811000001109", "Abrysvo vaccine powder and solvent for solution for injection 0.5ml vials (Pfizer Ltd)"), "Pfizer Ltd"),
        ],
    },
    Codes {
        vaccine: "HPV",
        procedures: &[("761841000", "Administration of vaccine product containing only Human papillomavirus antigen (procedure)")],
        products: &[
            (("12238911000001100", "Cervarix vaccine suspension for injection 0.5ml pre-filled syringes (GlaxoSmithKline) (product)"), "GlaxoSmithKline"),
            (("33493111000001108", "Gardasil 9 vaccine suspension for injection 0.5ml pre-filled syringes (Merck Sharp & Dohme (UK) Ltd) (product)"), "Merck Sharp & Dohme (UK) Ltd"),
        ],
    },
    Codes {
        vaccine: "MMR",
        procedures: &[("170433008", "Administration of second dose of vaccine product containing only Measles morbillivirus and Mumps orthorubulavirus and Rubella virus antigens"), ("38598009", "Administration of vaccine product containing only Measles morbillivirus and Mumps orthorubulavirus and Rubella virus antigens")],
        products: &[
            (("13968211000001108", "M-M-RVAXPRO vaccine powder and solvent for suspension for injection 0.5ml pre-filled syringes (Merck Sharp & Dohme (UK) Ltd)"), "Merck Sharp & Dohme (UK) Ltd"),
            (("34925111000001104", "Priorix vaccine powder and solvent for solution for injection 0.5ml pre-filled syringes (GlaxoSmithKline UK Ltd)"), "GlaxoSmithKline UK Ltd"),
        ],
    },
    Codes {
        vaccine: "MMRV",
        procedures: &[("432636005", "Administration of vaccine product containing only Human alphaherpesvirus 3 and Measles morbillivirus and Mumps orthorubulavirus and Rubella virus antigens"), ("433733003", "Administration of vaccine product containing only Human alphaherpesvirus 3 and Measles morbillivirus and Mumps orthorubulavirus and Rubella virus antigens")],
        products: &[
            (("45525711000001102", "Priorix Tetra vaccine powder and solvent for solution for injection 0.5ml pre-filled syringes (GlaxoSmithKline UK Ltd)"), "GlaxoSmithKline UK Ltd"),
            (("45480711000001107", "ProQuad vaccine powder and solvent for suspension for injection 0.5ml pre-filled syringes (Merck Sharp & Dohme (UK) Ltd)"), "Merck Sharp & Dohme (UK) Ltd"),
        ],
    },
    Codes {
        vaccine: "PERTUSSIS",
        procedures: &[("956951000000104", "Pertussis vaccination in pregnancy (procedure)")],
        products: &[
            (("42707511000001109", "Adacel vaccine suspension for injection 0.5ml pre-filled syringes (Sanofi)"), "Sanofi"),
            (("26267211000001100", "Boostrix-IPV suspension for injection 0.5ml pre-filled syringes (GlaxoSmithKline UK Ltd) (product)"), "GlaxoSmithKline UK Ltd"),
        ],
    },
    Codes {
        vaccine: "SHINGLES",
        procedures: &[("722215002", "Administration of vaccine product containing only Human alphaherpesvirus 3 antigen for shingles (procedure)"), ("1326111000000107", "Administration of second dose of vaccine product containing only Human alphaherpesvirus 3 antigen for shingles (procedure)")],
        products: &[
            (("39655511000001105", "Shingrix (Herpes Zoster) adjuvanted recombinant vaccine powder and suspension for suspension for injection 0.5ml vials (GlaxoSmithKline UK Ltd)"), "GlaxoSmithKline UK Ltd"),
            (("38737511000001105", "Shingles (Herpes Zoster) adjuvanted recombinant vaccine powder and solvent for suspension for injection 0.5ml vials"), "GlaxoSmithKline UK Ltd"),
        ],
    },
    Codes {
        vaccine: "PNEUMOCOCCAL",
        procedures: &[("247631000000101", "First pneumococcal conjugated vaccination")],
        products: &[
            (("16649411000001104", "Prevenar 13 vaccine suspension for injection 0.5ml pre-filled syringes (Pfizer Ltd)"), "Pfizer Ltd"),
            (("40600011000001101", "Prevenar 20 vaccine suspension for injection 0.5ml pre-filled syringes (Pfizer Ltd)"), "Pfizer Ltd"),
        ],
    },
    Codes {
        vaccine: "3IN1",
        procedures: &[("414619005", "Administration of vaccine product containing only Clostridium tetani and low dose Corynebacterium diphtheriae and inactivated Human poliovirus antigens"), ("866227002", "Administration of booster dose of vaccine product containing only Clostridium tetani and Corynebacterium diphtheriae and Human poliovirus antigens")],
        products: &[
            (("7374511000001107", "Revaxis vaccine suspension for injection 0.5ml pre-filled syringes (Sanofi) 1 pre-filled disposable injection (product)"), "Sanofi"),
        ],
    },
    Codes {
        vaccine: "MENACWY",
        procedures: &[("871874000", "Administration of vaccine product containing only Neisseria meningitidis serogroup A, C, W135 and Y antigens (procedure)")],
        products: &[
            (("39779611000001104", "MenQuadfi vaccine solution for injection 0.5ml vials (Sanofi) (product)"), "Sanofi"),
            (("20517811000001104", "Nimenrix vaccine powder and solvent for solution for injection 0.5ml pre-filled syringes (GlaxoSmithKline UK Ltd) (product)"), "GlaxoSmithKline UK Ltd"),
        ],
    },
    Codes {
        vaccine: "4IN1",
        procedures: &[("868273007", "Administration of vaccine product containing only Bordetella pertussis and Clostridium tetani and Corynebacterium diphtheriae and Human poliovirus antigens"), ("247821000000102", "Booster diphtheria, tetanus, acellular pertussis and inactivated polio vaccination")],
        products: &[
            (("26267211000001100", "Boostrix-IPV suspension for injection 0.5ml pre-filled syringes (GlaxoSmithKline UK Ltd)"), "GlaxoSmithKline UK Ltd"),
            (("871893003", "Vaccine product containing only acellular Bordetella pertussis and Clostridium tetani and Corynebacterium diphtheriae and inactivated whole Human poliovirus antigens"), "Pfizer Ltd"),
        ],
    },
    Codes {
        vaccine: "6IN1",
        procedures: &[("1082441000000108", "First diphtheria, tetanus and acellular pertussis, inactivated polio, Haemophilus influenzae type b and hepatitis B vaccination"), ("1162640003", "Administration of vaccine product containing only acellular Bordetella pertussis and Clostridium tetani and Corynebacterium diphtheriae and Haemophilus influenzae type b and Hepatitis B virus and inactivated Human poliovirus antigens")],
        products: &[
            (("34765811000001105", "Infanrix Hexa vaccine powder and suspension for suspension for injection 0.5ml pre-filled syringes (GlaxoSmithKline UK Ltd)"), "GlaxoSmithKline UK Ltd"),
            (("1162634005", "Pediatric vaccine product containing only acellular Bordetella pertussis, Clostridium tetani and Corynebacterium diphtheriae toxoids, Haemophilus influenzae type b conjugated, Hepatitis B virus and inactivated Human poliovirus antigens"), "GlaxoSmithKline UK Ltd"),
        ],
    },
    Codes {
        vaccine: "BCG",
        procedures: &[("42284007", "Administration of vaccine product containing only live attenuated Mycobacterium bovis antigen"), ("429069001", "Requires Bacillus Calmette-Guerin vaccination")],
        products: &[
            (("37240111000001101", "BCG Vaccine AJV powder for suspension for injection 1ml vials (AJ Vaccines)"), "AJ Vaccines"),
            (("9316511000001100", "BCG vaccine powder and solvent for suspension for injection vials 10 vial (Pfizer Ltd)"), "Pfizer Ltd"),
        ],
    },
    Codes {
        vaccine: "HEPB",
        procedures: &[("170370000", "Administration of first dose of vaccine product containing only Hepatitis B virus antigen"), ("170373003", "Administration of booster dose of vaccine product containing only Hepatitis B virus antigen")],
        products: &[
            (("10752011000001102", "HBVAXPRO 10micrograms/1ml vaccine suspension for injection pre-filled syringes (Merck Sharp & Dohme (UK) Ltd)"), "Merck Sharp & Dohme (UK) Ltd"),
            (("871822003", "Vaccine product containing only Hepatitis B virus antigen (Pfizer Ltd)"), "Pfizer Ltd"),
        ],
    },
    Codes {
        vaccine: "HIB",
        procedures: &[("428975001", "Haemophilus influenzae type B Meningitis C (HibMenC) vaccination codes"), ("712833000", "Haemophilus influenzae type B Meningitis C (HibMenC) vaccination codes")],
        products: &[
            (("9903711000001109", "Menitorix powder and solvent for solution for injection 0.5ml vials (GlaxoSmithKline)"), "GlaxoSmithKline UK Ltd"),
            (("9903611000001100", "Haemophilus type b / Meningococcal C conjugate vaccine powder and solvent for solution for injection 0.5ml vials 1 vial"), "Sanofi"),
        ],
    },
    Codes {
        vaccine: "MENB",
        procedures: &[("720539004", "Administration of first dose of vaccine product containing only Neisseria meningitidis serogroup B antigen"), ("516301000000101", "Recombinant meningococcal group B and outer membrane vesicle vaccination")],
        products: &[
            (("23584211000001109", "Bexsero vaccine suspension for injection 0.5ml pre-filled syringes (GlaxoSmithKline UK Ltd)"), "GlaxoSmithKline UK Ltd"),
            (("37430711000001103", "Bexsero vaccine suspension for injection 0.5ml pre-filled syringes (CST Pharma Ltd) 1 pre-filled disposable injection"), "Pfizer Ltd"),
        ],
    },
    Codes {
        vaccine: "ROTAVIRUS",
        procedures: &[("868631000000102", "First rotavirus vaccination"), ("415354003", "Administration of vaccine product containing only Rotavirus antigen")],
        products: &[
            (("34609911000001106", "Rotarix vaccine live oral suspension 1.5ml tube (GlaxoSmithKline UK Ltd)"), "GlaxoSmithKline UK Ltd"),
            (("17996111000001109", "Rotavirus vaccine live oral suspension 1.5ml pre-filled syringes"), "Merck Sharp & Dohme (UK) Ltd"),
        ],
    },
];
