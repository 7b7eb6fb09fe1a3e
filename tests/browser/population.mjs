// An invented organisation for the pictures: people with names from many places, and their groups.
// No such person exists; example.tld belongs to nobody.

export const orgName = 'Acme Co.';

export const groups = ['Staff', 'Editors', 'Finance', 'Support', 'Lagos office', 'Betriebsratsvorsitzende', 'Alumni'];

/** `[user name, given name, family name, groups, disabled]`; the full name is given plus family name. */
const table = [
  ['ada.okafor', 'Ada', 'Okafor', ['Editors', 'Lagos office', 'Staff']],
  ['amara.diallo', 'Amara', 'Diallo', ['Support', 'Staff']],
  ['anders.lindqvist', 'Anders', 'Lindqvist', ['Staff']],
  ['aoife.nibhriain', 'Aoife', 'Ní Bhriain', ['Staff']],
  ['bjork', 'Björk', 'Sigurðardóttir', ['Staff']],
  ['chidi.eze', 'Chidi', 'Eze', ['Lagos office', 'Staff']],
  ['dimitra.papadopoulou', 'Δήμητρα', 'Παπαδοπούλου', ['Finance', 'Staff']],
  ['elif.demir', 'Elif', 'Demir', ['Staff']],
  ['emeka.nwosu', 'Emeka', 'Nwosu', ['Lagos office', 'Support', 'Staff']],
  ['fatima.elidrissi', 'Fatima Zahra', 'El Idrissi', ['Editors', 'Finance', 'Staff']],
  ['giulia.desantis', 'Giulia', 'De Santis', ['Editors', 'Staff']],
  ['hj.oberammergau', 'Hans-Joachim', 'Freiherr von Oberammergau-Garmisch', ['Betriebsratsvorsitzende', 'Staff']],
  ['ines.carvalho', 'Inês', 'Carvalho', ['Staff']],
  ['jose.hernandez', 'José María', 'Hernández Quintero', ['Finance', 'Staff']],
  ['kalani.kahale', 'Kalani', 'Kahale', ['Support', 'Staff']],
  ['lea.fontaine', 'Léa', 'Fontaine', ['Editors', 'Staff']],
  ['leila.haddad', 'ليلى', 'حداد', ['Staff']],
  ['lukasz.wisniewski', 'Łukasz', 'Wiśniewski', ['Staff']],
  ['mai.nguyen', 'Mai', 'Nguyễn Thị', ['Staff'], false, 'Nguyễn Thị Mai'],
  ['marta.horvath', 'Márta', 'Horváth', ['Staff']],
  ['mehmet.ozturk', 'Mehmet Çağlar', 'Öztürk', ['Support', 'Staff']],
  ['noa.benami', 'Noa', 'Ben-Ami', ['Staff']],
  ['oksana.kovalenko', 'Оксана', 'Коваленко', ['Finance', 'Staff']],
  ['priya', 'Priya', 'Raghunathan', ['Staff']],
  ['rasmus.kjaer', 'Rasmus', 'Kjær', ['Alumni'], true],
  ['seoyeon.kim', '서연', '김', ['Editors', 'Staff'], false, '김서연'],
  ['sione.tuilagi', 'Sione', 'Tuilagi', ['Staff']],
  ['thandiwe.mokoena', 'Thandiwe', 'Mokoena', ['Support', 'Staff']],
  ['wanjiru.kamau', 'Wanjirũ', 'Kamau', ['Staff']],
  ['yusuf.rahman', 'Yusuf', 'Rahman', ['Alumni'], true],
  ['zoe.vanderberg', 'Zoë', 'van der Berg', ['Alumni'], true],
];

/** Who has been here before, and with what; so the pictures show more than empty cells. */
const withTwoSteps = ['aoife.nibhriain', 'fatima.elidrissi', 'giulia.desantis', 'lea.fontaine', 'lukasz.wisniewski', 'seoyeon.kim'];
const withPassword = ['amara.diallo', 'chidi.eze', 'emeka.nwosu', 'hj.oberammergau', 'jose.hernandez', 'mehmet.ozturk', 'priya'];

export const people = table.map(([username, given, family, memberOf, disabled = false, display]) => ({
  username, given, family, display: display ?? `${given} ${family}`, groups: memberOf, disabled,
  twoSteps: withTwoSteps.includes(username), visits: [...withTwoSteps, ...withPassword].includes(username),
}));

/** Who keeps the directory, and whose page is shown. Made by the set-up link, not from the list. */
export const keeper = people.find(({ username }) => username === 'bjork');
export const shown = people.find(({ username }) => username === 'ada.okafor');
