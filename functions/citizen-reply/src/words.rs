//! The pages' words in each language. Welsh and Arabic wait for a reviewer who speaks them.

use ims_domain::VaccineType;
use ims_domain::reply::{Answer, WishedFormat};

/// A language that the pages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Welsh.
    Welsh,
    /// Arabic, from right to left.
    Arabic,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::English, Self::Welsh, Self::Arabic];

    /// ISO 639-1 code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Welsh => "cy",
            Self::Arabic => "ar",
        }
    }

    /// In which direction it is written.
    #[must_use]
    pub fn direction(self) -> &'static str {
        if self == Self::Arabic { "rtl" } else { "ltr" }
    }

    /// By its code; `None` for others.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// The first that a browser asks for and the pages are written in; English where there is none.
    #[must_use]
    pub fn accepted(header: &str) -> Self {
        let codes = header.split(',').map(|range| range.split([';', '-']).next().unwrap_or_default().trim());
        codes.map(str::to_ascii_lowercase).find_map(|code| Self::of(&code)).unwrap_or(Self::English)
    }

    /// Its words.
    #[must_use]
    pub fn words(self) -> &'static Words {
        match self {
            Self::English => &ENGLISH,
            Self::Welsh => &WELSH,
            Self::Arabic => &ARABIC,
        }
    }
}

/// A language's own name.
#[must_use]
pub fn endonym(code: &str) -> &'static str {
    match code {
        "cy" => "Cymraeg",
        "ar" => "العربية",
        "bn" => "বাংলা",
        "pa" => "ਪੰਜਾਬੀ",
        "pl" => "Polski",
        "pt" => "Português",
        "ro" => "Română",
        "tr" => "Türkçe",
        "ur" => "اردو",
        _ => "English",
    }
}

/// What the pages say.
#[derive(Debug)]
pub struct Words {
    /// Name of the service.
    pub service: &'static str,
    /// Skips the header.
    pub skip: &'static str,
    /// Label of the choice of languages.
    pub languages: &'static str,
    /// Before the telephone number.
    pub telephone: &'static str,
    /// After the telephone number.
    pub telephone_end: &'static str,
    /// Before the title of a page with an error.
    pub error: &'static str,
    /// Above what is wrong.
    pub problem: &'static str,
    /// A button.
    pub go_on: &'static str,
    /// Page that asks for the code: title.
    pub code_title: &'static str,
    /// Page that asks for the code: what it is for.
    pub code_intro: &'static str,
    /// The code.
    pub code: &'static str,
    /// Where the code is.
    pub code_hint: &'static str,
    /// No code was given.
    pub code_wrong: &'static str,
    /// Date of birth.
    pub birth: &'static str,
    /// Why and how.
    pub birth_hint: &'static str,
    /// When the message may be somebody else's.
    pub birth_optional: &'static str,
    /// Day.
    pub day: &'static str,
    /// Month.
    pub month: &'static str,
    /// Year.
    pub year: &'static str,
    /// The date is none.
    pub birth_wrong: &'static str,
    /// It does not match.
    pub no_match: &'static str,
    /// Choices: title.
    pub choices_title: &'static str,
    /// Choices once the date of birth was given, before the programme's name.
    pub about: &'static str,
    /// Nothing was chosen.
    pub choose: &'static str,
    /// Above the form for the date of birth.
    pub more_title: &'static str,
    /// What the date of birth opens.
    pub more_intro: &'static str,
    /// Languages: title.
    pub language_title: &'static str,
    /// Formats: title.
    pub format_title: &'static str,
    /// Done: title.
    pub done_title: &'static str,
    /// Done: how to change it.
    pub done_again: &'static str,
    /// A page that is not there: title.
    pub nowhere_title: &'static str,
    /// Why, and what to do.
    pub nowhere: &'static str,
    /// Too many tries: title.
    pub often_title: &'static str,
    /// What to do.
    pub often: &'static str,
    /// It cannot be noted now: title.
    pub later_title: &'static str,
    /// What to do.
    pub later: &'static str,
    /// Answers as they are offered.
    answers: [(&'static str, &'static str); 9],
    /// Formats.
    formats: [&'static str; 5],
    /// Programmes by code.
    programmes: [(&'static str, &'static str); 4],
}

impl Words {
    fn place(answer: &Answer) -> usize {
        match answer {
            Answer::OptOut => 0,
            Answer::OptOutAll => 1,
            Answer::VaccinatedElsewhere => 2,
            Answer::Moved => 3,
            Answer::WrongPerson => 4,
            Answer::Bereaved => 5,
            Answer::Language(_) => 6,
            Answer::Format(_) => 7,
            Answer::Resume => 8,
        }
    }

    /// An answer as it is offered.
    #[must_use]
    pub fn offer(&self, answer: &Answer) -> &'static str {
        self.answers[Self::place(answer)].0
    }

    /// What follows from an answer.
    #[must_use]
    pub fn effect(&self, answer: &Answer) -> &'static str {
        self.answers[Self::place(answer)].1
    }

    /// A format.
    #[must_use]
    pub fn format(&self, format: WishedFormat) -> &'static str {
        match format {
            WishedFormat::Standard => self.formats[0],
            WishedFormat::LargePrint => self.formats[1],
            WishedFormat::EasyRead => self.formats[2],
            WishedFormat::Braille => self.formats[3],
            WishedFormat::Audio => self.formats[4],
        }
    }

    /// A programme's name; its code where it has no other.
    #[must_use]
    pub fn programme(&self, programme: VaccineType) -> &'static str {
        let named = self.programmes.iter().find(|(code, _)| *code == programme.code());
        named.map_or(programme.code(), |(_, name)| name)
    }
}

static ENGLISH: Words = Words {
    service: "Vaccination messages",
    skip: "Skip to main content",
    languages: "Languages",
    telephone: "You can do all of this by telephone instead: call ",
    telephone_end: ".",
    error: "Error",
    problem: "There is a problem",
    go_on: "Continue",
    code_title: "Answer a letter about vaccination",
    code_intro: "Tell us if the letter was not for you, if you have moved, if somebody has died, or how you would like to hear from us.",
    code: "Code",
    code_hint: "12 letters and numbers, printed at the end of the letter, for example 7K2M-94PT-XW0C",
    code_wrong: "Enter the code from the letter: 12 letters and numbers",
    birth: "Date of birth",
    birth_hint: "Of the person to whom the message was sent, for example 27 3 1950",
    birth_optional: "If you do not know it, leave it empty. You can still tell us that the message was not for you, that the person has moved, or that they have died.",
    day: "Day",
    month: "Month",
    year: "Year",
    birth_wrong: "Enter a date of birth with day, month and year, for example 27 3 1950",
    no_match: "The details do not match what we have. Check them and try again",
    choices_title: "What would you like to tell us?",
    about: "The message was about this vaccination: ",
    choose: "Choose one of the answers",
    more_title: "Tell us more",
    more_intro: "With the date of birth you can also choose which messages you get, in which language and format, and tell us about a vaccination elsewhere.",
    language_title: "In which language shall we write to you?",
    format_title: "How shall letters be made for you?",
    done_title: "Thank you. We have noted it",
    done_again: "If you change your mind, open the link or enter the code again.",
    nowhere_title: "This page cannot be opened",
    nowhere: "The link or code is not known, or you waited longer than 30 minutes. Check it, or open it again.",
    often_title: "Too many attempts",
    often: "Try again tomorrow, or telephone.",
    later_title: "We could not note it",
    later: "Nothing was changed. Try again in a few minutes, or telephone.",
    answers: [
        (
            "Stop messages about this vaccination",
            "You will get no more messages about this vaccination, by text or letter or telephone.",
        ),
        (
            "Stop all messages about vaccinations",
            "You will get no more messages about any vaccination, by text or letter or telephone.",
        ),
        (
            "I had this vaccination elsewhere or abroad",
            "We will not remind you this season. Ask your GP practice to add the vaccination to your record: it counts once that is done.",
        ),
        (
            "I have moved, or the person has moved",
            "We will send no more letters to the old address. Tell the GP practice the new one.",
        ),
        ("The message was not for me", "We are sorry. We will not use this number or address for that person again."),
        ("The person has died", "We are sorry for your loss. We will not write again. You need do nothing more."),
        ("Choose a language", "We will write in that language where we have it."),
        ("Choose a format, such as large print or Braille", "Letters will be made that way."),
        ("Send me messages again", "You will get messages about vaccinations again."),
    ],
    formats: ["Standard print", "Large print", "Easy read", "Braille", "Audio"],
    programmes: [("FLU", "flu"), ("COVID", "COVID-19"), ("MMR", "measles, mumps and rubella (MMR)"), ("RSV", "RSV")],
};

static WELSH: Words = Words {
    service: "Negeseuon am frechu",
    skip: "Neidio i'r prif gynnwys",
    languages: "Ieithoedd",
    telephone: "Gallwch wneud hyn i gyd dros y ffôn hefyd: ffoniwch ",
    telephone_end: ".",
    error: "Gwall",
    problem: "Mae problem",
    go_on: "Parhau",
    code_title: "Ateb llythyr am frechu",
    code_intro: "Dywedwch wrthym os nad i chi oedd y llythyr, os ydych wedi symud, os yw rhywun wedi marw, neu sut yr hoffech glywed gennym.",
    code: "Cod",
    code_hint: "12 llythyren a rhif, ar ddiwedd y llythyr, er enghraifft 7K2M-94PT-XW0C",
    code_wrong: "Rhowch y cod o'r llythyr: 12 llythyren a rhif",
    birth: "Dyddiad geni",
    birth_hint: "Y person yr anfonwyd y neges ato, er enghraifft 27 3 1950",
    birth_optional: "Os nad ydych yn ei wybod, gadewch ef yn wag. Gallwch ddweud o hyd nad i chi oedd y neges, bod y person wedi symud, neu ei fod wedi marw.",
    day: "Diwrnod",
    month: "Mis",
    year: "Blwyddyn",
    birth_wrong: "Rhowch ddyddiad geni gyda diwrnod, mis a blwyddyn, er enghraifft 27 3 1950",
    no_match: "Nid yw'r manylion yn cyfateb i'r hyn sydd gennym. Gwiriwch nhw a cheisiwch eto",
    choices_title: "Beth hoffech chi ei ddweud wrthym?",
    about: "Roedd y neges am y brechiad hwn: ",
    choose: "Dewiswch un o'r atebion",
    more_title: "Dweud mwy",
    more_intro: "Gyda'r dyddiad geni gallwch hefyd ddewis pa negeseuon a gewch, ym mha iaith a fformat, a dweud wrthym am frechiad yn rhywle arall.",
    language_title: "Ym mha iaith y dylem ysgrifennu atoch?",
    format_title: "Sut y dylid gwneud llythyrau i chi?",
    done_title: "Diolch. Rydym wedi'i nodi",
    done_again: "Os newidiwch eich meddwl, agorwch y ddolen neu rhowch y cod eto.",
    nowhere_title: "Ni ellir agor y dudalen hon",
    nowhere: "Nid yw'r ddolen neu'r cod yn hysbys, neu fe arhosoch yn hirach na 30 munud. Gwiriwch ef, neu agorwch ef eto.",
    often_title: "Gormod o ymdrechion",
    often: "Rhowch gynnig arall arni yfory, neu ffoniwch.",
    later_title: "Ni allem ei nodi",
    later: "Ni newidiwyd dim. Rhowch gynnig arall arni mewn ychydig funudau, neu ffoniwch.",
    answers: [
        (
            "Atal negeseuon am y brechiad hwn",
            "Ni chewch ragor o negeseuon am y brechiad hwn, drwy neges destun, llythyr na ffôn.",
        ),
        (
            "Atal pob neges am frechiadau",
            "Ni chewch ragor o negeseuon am unrhyw frechiad, drwy neges destun, llythyr na ffôn.",
        ),
        (
            "Cefais y brechiad hwn yn rhywle arall neu dramor",
            "Ni fyddwn yn eich atgoffa y tymor hwn. Gofynnwch i'ch meddygfa ychwanegu'r brechiad at eich cofnod: mae'n cyfrif wedi hynny.",
        ),
        (
            "Rwyf wedi symud, neu mae'r person wedi symud",
            "Ni fyddwn yn anfon rhagor o lythyrau i'r hen gyfeiriad. Rhowch yr un newydd i'r feddygfa.",
        ),
        (
            "Nid i mi oedd y neges",
            "Mae'n ddrwg gennym. Ni fyddwn yn defnyddio'r rhif na'r cyfeiriad hwn ar gyfer y person hwnnw eto.",
        ),
        (
            "Mae'r person wedi marw",
            "Mae'n ddrwg gennym am eich colled. Ni fyddwn yn ysgrifennu eto. Nid oes angen i chi wneud dim mwy.",
        ),
        ("Dewis iaith", "Byddwn yn ysgrifennu yn yr iaith honno lle mae gennym hi."),
        ("Dewis fformat, fel print bras neu Braille", "Bydd llythyrau'n cael eu gwneud felly."),
        ("Anfonwch negeseuon ataf eto", "Byddwch yn cael negeseuon am frechiadau eto."),
    ],
    formats: ["Print safonol", "Print bras", "Hawdd ei ddeall", "Braille", "Sain"],
    programmes: [
        ("FLU", "ffliw"),
        ("COVID", "COVID-19"),
        ("MMR", "y frech goch, clwy'r pennau a rwbela (MMR)"),
        ("RSV", "RSV"),
    ],
};

static ARABIC: Words = Words {
    service: "رسائل التطعيم",
    skip: "انتقل إلى المحتوى الرئيسي",
    languages: "اللغات",
    telephone: "يمكنك القيام بكل هذا عبر الهاتف أيضًا: اتصل بالرقم ",
    telephone_end: ".",
    error: "خطأ",
    problem: "توجد مشكلة",
    go_on: "متابعة",
    code_title: "الرد على رسالة بشأن التطعيم",
    code_intro: "أخبرنا إذا لم تكن الرسالة لك، أو إذا انتقلت من مسكنك، أو إذا توفي شخص ما، أو كيف تفضل أن نتواصل معك.",
    code: "الرمز",
    code_hint: "12 حرفًا ورقمًا مطبوعة في نهاية الرسالة، مثل \u{2066}7K2M-94PT-XW0C\u{2069}",
    code_wrong: "أدخل الرمز الموجود في الرسالة: 12 حرفًا ورقمًا",
    birth: "تاريخ الميلاد",
    birth_hint: "تاريخ ميلاد الشخص الذي أُرسلت إليه الرسالة، مثل \u{2066}27 3 1950\u{2069}",
    birth_optional: "إذا كنت لا تعرفه فاتركه فارغًا. لا يزال بإمكانك إخبارنا بأن الرسالة لم تكن لك، أو أن الشخص انتقل، أو أنه توفي.",
    day: "اليوم",
    month: "الشهر",
    year: "السنة",
    birth_wrong: "أدخل تاريخ ميلاد يتضمن اليوم والشهر والسنة، مثل \u{2066}27 3 1950\u{2069}",
    no_match: "التفاصيل لا تطابق ما لدينا. تحقق منها وحاول مرة أخرى",
    choices_title: "ماذا تريد أن تخبرنا؟",
    about: "كانت الرسالة بشأن هذا التطعيم: ",
    choose: "اختر إحدى الإجابات",
    more_title: "أخبرنا بالمزيد",
    more_intro: "باستخدام تاريخ الميلاد يمكنك أيضًا اختيار الرسائل التي تصلك، ولغتها وشكلها، وإخبارنا بتطعيم تلقيته في مكان آخر.",
    language_title: "بأي لغة تريد أن نكتب إليك؟",
    format_title: "كيف تريد أن تُعد الرسائل لك؟",
    done_title: "شكرًا لك. لقد سجلنا ذلك",
    done_again: "إذا غيرت رأيك فافتح الرابط أو أدخل الرمز مرة أخرى.",
    nowhere_title: "لا يمكن فتح هذه الصفحة",
    nowhere: "الرابط أو الرمز غير معروف، أو انتظرت أكثر من 30 دقيقة. تحقق منه أو افتحه مرة أخرى.",
    often_title: "محاولات كثيرة جدًا",
    often: "حاول مرة أخرى غدًا، أو اتصل هاتفيًا.",
    later_title: "لم نتمكن من تسجيل ذلك",
    later: "لم يتغير شيء. حاول مرة أخرى بعد بضع دقائق، أو اتصل هاتفيًا.",
    answers: [
        ("إيقاف الرسائل بشأن هذا التطعيم", "لن تصلك رسائل أخرى بشأن هذا التطعيم، لا نصية ولا بريدية ولا هاتفية."),
        ("إيقاف جميع الرسائل بشأن التطعيمات", "لن تصلك رسائل أخرى بشأن أي تطعيم، لا نصية ولا بريدية ولا هاتفية."),
        (
            "تلقيت هذا التطعيم في مكان آخر أو خارج البلاد",
            "لن نذكّرك هذا الموسم. اطلب من عيادة طبيبك العام إضافة التطعيم إلى سجلك: يُحتسب بعد ذلك.",
        ),
        (
            "لقد انتقلت، أو انتقل الشخص",
            "لن نرسل رسائل أخرى إلى العنوان القديم. أخبر عيادة الطبيب العام بالعنوان الجديد.",
        ),
        ("لم تكن الرسالة لي", "نعتذر. لن نستخدم هذا الرقم أو العنوان لذلك الشخص مرة أخرى."),
        ("توفي الشخص", "نأسف لخسارتكم. لن نكتب مرة أخرى. لا حاجة إلى فعل أي شيء آخر."),
        ("اختيار لغة", "سنكتب بتلك اللغة حيثما توفرت لدينا."),
        ("اختيار شكل، مثل الطباعة الكبيرة أو برايل", "ستُعد الرسائل بهذا الشكل."),
        ("أرسلوا إليّ الرسائل مجددًا", "ستصلك رسائل بشأن التطعيمات مجددًا."),
    ],
    formats: ["طباعة عادية", "طباعة كبيرة", "سهل القراءة", "برايل", "تسجيل صوتي"],
    programmes: [
        ("FLU", "الإنفلونزا"),
        ("COVID", "كوفيد-19"),
        ("MMR", "الحصبة والنكاف والحصبة الألمانية (MMR)"),
        ("RSV", "الفيروس المخلوي التنفسي (RSV)"),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_first_language_that_is_there_is_taken() {
        for (header, expected) in [
            ("cy", Language::Welsh),
            ("fr-FR,ar;q=0.8,en;q=0.5", Language::Arabic),
            ("en-GB,cy;q=0.9", Language::English),
            ("AR-eg", Language::Arabic),
            ("fr", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::accepted(header), expected, "{header}");
        }
    }

    #[test]
    fn every_language_that_may_be_wished_for_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = ims_domain::reply::LANGUAGES.into_iter().map(endonym).collect();
        assert_eq!(names.len(), ims_domain::reply::LANGUAGES.len());
    }
}
