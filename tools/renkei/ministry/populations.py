"""Frequencies and name parts from which the simulator draws: none of them is a person's.

Weights follow the order of magnitude of 在留外国人統計 (end of 2024, in thousands of residents). Names are common ones,
romanised as residence cards print them: capitals, the family name first where there is one. Kanji are as people hand
them in, in mainland China simplified: `people` puts them into 正字.
"""

from dataclasses import dataclass

Weighted = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Names:
    """The name parts of one culture.

    `family` is empty where people have no family name; `given_parts` holds how many given names are drawn, each count
    as often as it is usual; with `kanji` a part is written `kanji:READING`, and given names are written together.
    """

    family: Weighted
    male: tuple[str, ...]
    female: tuple[str, ...]
    given_parts: tuple[int, ...] = (1,)
    kanji: bool = False


@dataclass(frozen=True, slots=True)
class Nationality:
    """A nationality or region (国籍・地域) as cards name it, its weight, its names and what its people do in Japan.

    `settled` to `special` are the weights of the groups of `STATUSES`.
    """

    name: str
    weight: float
    names: Names
    settled: int
    trainee: int
    student: int
    professional: int
    family: int
    special: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """A status of residence (在留資格), its weight in its group, its periods (入管法施行規則 別表第二) and usual ages.

    A period is (years, months); none means 無期限.
    """

    name: str
    weight: int
    periods: tuple[tuple[int, int], ...]
    ages: tuple[int, int]


_LONG = ((5, 0), (3, 0), (1, 0))
_WORK = ((5, 0), (3, 0), (1, 0), (0, 3))

STATUSES: dict[str, tuple[Status, ...]] = {
    "settled": (
        Status("永住者", 92, (), (16, 85)),
        Status("定住者", 22, ((5, 0), (3, 0), (1, 0), (0, 6)), (1, 70)),
        Status("日本人の配偶者等", 15, ((5, 0), (3, 0), (1, 0), (0, 6)), (20, 70)),
        Status("永住者の配偶者等", 5, ((5, 0), (3, 0), (1, 0), (0, 6)), (1, 65)),
    ),
    "trainee": (
        Status("技能実習1号ロ", 12, ((1, 0), (0, 6)), (18, 38)),
        Status("技能実習2号ロ", 26, ((2, 0), (1, 0)), (19, 39)),
        Status("技能実習3号ロ", 6, ((2, 0), (1, 0)), (21, 42)),
        Status("特定技能1号", 28, ((1, 0), (0, 6), (0, 4)), (18, 45)),
        Status("特定技能2号", 1, ((3, 0), (1, 0), (0, 6)), (24, 50)),
    ),
    "student": (
        Status("留学", 40, ((4, 3), (2, 3), (1, 3), (1, 0)), (17, 34)),
        Status("特定活動", 5, ((1, 0), (0, 6)), (20, 36)),
    ),
    "professional": (
        Status("技術・人文知識・国際業務", 42, _WORK, (22, 58)),
        Status("経営・管理", 4, ((5, 0), (3, 0), (1, 0), (0, 6)), (26, 68)),
        Status("技能", 4, _WORK, (24, 60)),
        Status("高度専門職1号ロ", 3, ((5, 0),), (25, 50)),
        Status("企業内転勤", 2, _WORK, (25, 52)),
        Status("介護", 1, _WORK, (21, 50)),
        Status("教育", 1, _WORK, (23, 55)),
    ),
    "family": (Status("家族滞在", 31, _LONG, (0, 55)),),
    "special": (Status("特別永住者", 1, (), (16, 95)),),
}


def _words(text: str) -> tuple[str, ...]:
    """Split a list of names; an underscore stands for a space within one."""
    return tuple(word.replace("_", " ") for word in text.split())


def _ranked(text: str) -> Weighted:
    """Weigh names that stand in falling order of frequency."""
    return tuple((word, 1 / (rank + 1.5)) for rank, word in enumerate(_words(text)))


def _plain(family: str, male: str, female: str, given_parts: tuple[int, ...] = (1,)) -> Names:
    """Make the names of a culture whose cards bear no kanji."""
    return Names(_ranked(family), _words(male), _words(female), given_parts)


# A part of a Chinese or Korean name is its kanji, a colon and its reading.

_CHINESE = Names(
    family=_ranked("""
        王:WANG 李:LI 张:ZHANG 刘:LIU 陈:CHEN 杨:YANG 黄:HUANG 赵:ZHAO 吴:WU 周:ZHOU 徐:XU 孙:SUN 马:MA 朱:ZHU
        胡:HU 郭:GUO 何:HE 林:LIN 高:GAO 罗:LUO 郑:ZHENG 梁:LIANG 谢:XIE 宋:SONG 唐:TANG 许:XU 韩:HAN 冯:FENG
        邓:DENG 曹:CAO 彭:PENG 田:TIAN 董:DONG 袁:YUAN 潘:PAN 于:YU 蔡:CAI 余:YU 杜:DU 叶:YE 程:CHENG 魏:WEI"""),
    male=_words("""
        伟:WEI 强:QIANG 军:JUN 洋:YANG 勇:YONG 杰:JIE 明:MING 超:CHAO 平:PING 刚:GANG 建:JIAN 文:WEN 宇:YU 浩:HAO
        俊:JUN 天:TIAN 志:ZHI 海:HAI 鹏:PENG 飞:FEI 龙:LONG 峰:FENG 博:BO 成:CHENG 国:GUO 新:XIN 永:YONG 东:DONG"""),
    female=_words("""
        芳:FANG 娜:NA 敏:MIN 静:JING 丽:LI 娟:JUAN 秀:XIU 霞:XIA 桂:GUI 英:YING 华:HUA 玉:YU 红:HONG 欣:XIN 雨:YU
        思:SI 佳:JIA 怡:YI 雪:XUE 梅:MEI 兰:LAN 琳:LIN 慧:HUI 春:CHUN 燕:YAN 婷:TING 雅:YA 诗:SHI 然:RAN 乐:LE"""),
    given_parts=(1, 2, 2, 2, 2),
    kanji=True,
)
_TAIWANESE = Names(
    family=_ranked("""
        王:WANG 李:LI 張:ZHANG 劉:LIU 陳:CHEN 楊:YANG 黄:HUANG 趙:ZHAO 呉:WU 周:ZHOU 徐:XU 孫:SUN 馬:MA 朱:ZHU
        胡:HU 郭:GUO 何:HE 林:LIN 高:GAO 羅:LUO 鄭:ZHENG 梁:LIANG 謝:XIE 宋:SONG 唐:TANG 許:XU 韓:HAN 馮:FENG
        鄧:DENG 曹:CAO 彭:PENG 田:TIAN 董:DONG 袁:YUAN 潘:PAN 于:YU 蔡:CAI 余:YU 杜:DU 葉:YE 程:CHENG 魏:WEI"""),
    male=_words("""
        偉:WEI 強:QIANG 軍:JUN 洋:YANG 勇:YONG 傑:JIE 明:MING 超:CHAO 平:PING 剛:GANG 建:JIAN 文:WEN 宇:YU 浩:HAO
        俊:JUN 天:TIAN 志:ZHI 海:HAI 鵬:PENG 飛:FEI 龍:LONG 峰:FENG 博:BO 成:CHENG 国:GUO 新:XIN 永:YONG 東:DONG"""),
    female=_words("""
        芳:FANG 娜:NA 敏:MIN 静:JING 麗:LI 娟:JUAN 秀:XIU 霞:XIA 桂:GUI 英:YING 華:HUA 玉:YU 紅:HONG 欣:XIN 雨:YU
        思:SI 佳:JIA 怡:YI 雪:XUE 梅:MEI 蘭:LAN 琳:LIN 慧:HUI 春:CHUN 燕:YAN 婷:TING 雅:YA 詩:SHI 然:RAN 楽:LE"""),
    given_parts=(1, 2, 2, 2, 2),
    kanji=True,
)
_KOREAN = Names(
    family=_ranked("""
        金:KIM 李:LEE 朴:PARK 崔:CHOI 鄭:JUNG 姜:KANG 趙:CHO 尹:YOON 張:JANG 林:LIM 韓:HAN 呉:OH 徐:SEO 申:SHIN
        権:KWON 黄:HWANG 安:AHN 宋:SONG"""),
    male=_words("俊:JUN 宇:WOO 浩:HO 栄:YOUNG 成:SUNG 在:JAE 東:DONG 煥:HWAN 相:SANG 賢:HYUN 基:KI 鎮:JIN 勲:HOON"),
    female=_words("敏:MIN 智:JI 瑞:SEO 秀:SOO 真:JIN 姫:HEE 恩:EUN 京:KYUNG 珠:JOO 恵:HYE 妍:YEON 英:YOUNG 善:SUN"),
    given_parts=(2,),
    kanji=True,
)
_VIETNAMESE = _plain(
    "NGUYEN TRAN LE PHAM HOANG PHAN VU DANG BUI DO HO NGO DUONG LY DINH TRINH CAO",
    "VAN HUU DUC MINH QUOC THANH QUANG TUAN HUNG DUNG NAM LONG HIEU SON TUNG KHANH DAT PHUC CUONG HUY BINH TIEN",
    "THI NGOC THU HONG LINH HUONG TRANG HA PHUONG THAO LAN MAI NGA YEN HOA THUY HANH VY NHI CHAU QUYNH GIANG",
    (2, 2, 1),
)
_FILIPINO = _plain(
    "SANTOS REYES CRUZ BAUTISTA GARCIA MENDOZA TORRES CASTILLO FLORES VILLANUEVA RAMOS DELA_CRUZ AQUINO NAVARRO",
    "JOSE JUAN MARK JOHN MICHAEL ANTONIO RAMON EDUARDO CARLO ANGELO JAYSON RODEL ARNEL",
    "MARIA ANA JENNIFER MARICEL ROWENA CRISTINA MARY GRACE JOY LIZA ROSALIE CHERRY ANGELICA LORNA",
    (1, 2, 2),
)
_BRAZILIAN = _plain(
    "SILVA SANTOS OLIVEIRA SOUZA TANAKA SATO SUZUKI FERREIRA PEREIRA YAMAMOTO NAKAMURA COSTA RODRIGUES KOBAYASHI ALVES",
    "CARLOS MARCOS PAULO LUCAS RAFAEL GABRIEL EDUARDO FELIPE BRUNO RICARDO LEONARDO KENJI AKIRA",
    "ANA MARIA JULIANA FERNANDA PATRICIA CAMILA LETICIA BEATRIZ LARISSA YUMI SAYURI HARUMI",
    (1, 2),
)
_SPANISH = _plain(
    "QUISPE FLORES SANCHEZ GARCIA RODRIGUEZ ROJAS RAMOS HIGA TORRES MENDOZA DIAZ CASTRO SHIMABUKURO VARGAS",
    "LUIS CARLOS JOSE JORGE MIGUEL CESAR VICTOR PEDRO RAUL DIEGO",
    "ROSA MARIA CARMEN ANA LUZ PATRICIA GLADYS MILAGROS KARINA SUSANA",
    (1, 2),
)
_NEPALI = _plain(
    "SHRESTHA THAPA GURUNG TAMANG MAGAR RAI ADHIKARI KHADKA POUDEL BHANDARI KARKI LAMA BASNET KC GHIMIRE ARYAL",
    "BIKASH SURAJ PRAKASH RAJESH SANTOSH DIPAK SAROJ ANIL SUMAN NABIN BISHAL KIRAN RAM KRISHNA",
    "SITA SARITA SUNITA ANITA PUJA ASMITA SABINA LAXMI MANISHA SUSHMA BINITA SRIJANA RITU",
    (1, 1, 2),
)
_INDONESIAN = Names(
    family=(),
    male=_words("AHMAD MUHAMMAD BUDI AGUS RIZKI DEDI HENDRA WAHYU EKO JOKO HIDAYAT SAPUTRA PRATAMA SETIAWAN NUGROHO"),
    female=_words("SRI DEWI SITI NUR RINA YULIA INDAH PUTRI AYU WULANDARI LESTARI RAHAYU PUSPITA HANDAYANI"),
    given_parts=(1, 2, 2, 2, 3),
)
_BURMESE = Names(
    family=(),
    male=_words("AUNG KYAW MYO THU ZAW WIN HTET MIN KO NAING TUN HEIN LIN PHYO SOE MAUNG"),
    female=_words("THIN ZAR EI PHYU SU MYAT KHIN HNIN AYE MOE THANDAR NANDAR YAMIN CHO MAY"),
    given_parts=(2, 3, 3, 4),
)
_THAI = _plain(
    "SAETANG SRISUK THONGDEE KAEWMANEE BOONMEE CHAIYASIT SUKSAWAT INTHARA PHROMMA SOMBOON WONGSA RATTANA",
    "SOMCHAI ANAN PRASERT WICHAI NATTAPONG KITTISAK THANAWAT CHAIWAT",
    "SIRIPORN MALEE NONGNUCH KANYA SUPAPORN RATANA WANIDA PIMCHANOK",
)
_SOUTH_ASIAN = _plain(
    "PERERA FERNANDO SILVA SINGH KUMAR SHARMA PATEL KHAN AHMED HOSSAIN RAHMAN ISLAM ALI HUSSAIN REDDY GUPTA DAS",
    "NUWAN KASUN RAJ AMIT RAHUL VIKRAM ASIF IMRAN TARIQ MOHAMMED RAFIQUL SANJAY ARJUN",
    "NIMALI CHATHURI PRIYA ANJALI POOJA NEHA FATIMA AYESHA NUSRAT SABRINA DILINI",
    (1, 2),
)
_ENGLISH = _plain(
    "SMITH JOHNSON WILLIAMS BROWN JONES MILLER DAVIS WILSON ANDERSON TAYLOR THOMAS MOORE MARTIN WHITE HARRIS CLARK",
    "JAMES MICHAEL ROBERT JOHN DAVID WILLIAM DANIEL MATTHEW ANDREW CHRISTOPHER RYAN",
    "EMILY SARAH JESSICA JENNIFER ELIZABETH ASHLEY MICHELLE LAURA KATHERINE HANNAH OLIVIA",
    (1, 2, 2),
)
_FRENCH = _plain(
    "MARTIN BERNARD DUBOIS THOMAS ROBERT RICHARD PETIT DURAND LEROY MOREAU SIMON LAURENT",
    "PIERRE NICOLAS JULIEN THOMAS ANTOINE HUGO LOUIS MATHIEU",
    "CAMILLE JULIE SOPHIE MARIE CLAIRE ELODIE MANON CHLOE",
)
_CENTRAL_ASIAN = _plain(
    "KARIMOV RAKHIMOV YUSUPOV TURSUNOV ISMOILOV NAZAROV ABDULLAEV SAIDOV",
    "JASUR SARDOR AZIZ BEKZOD DILSHOD OTABEK SHERZOD JAHONGIR",
    "MALIKA NIGORA DILNOZA SHAHNOZA GULNORA ZARINA NODIRA KAMOLA",
)
_MONGOLIAN = Names(
    family=(),
    male=_words("BATBAYAR GANBOLD TEMUULEN BOLD ERDENE MUNKHBAT OTGONBAYAR TSOGT"),
    female=_words("OYUNCHIMEG SARANTUYA ENKHTUYA NOMIN BOLORMAA ALTANTSETSEG UYANGA"),
    given_parts=(2,),
)

NATIONALITIES: tuple[Nationality, ...] = (
    Nationality("中国", 873, _CHINESE, 48, 4, 16, 20, 12),
    Nationality("ベトナム", 634, _VIETNAMESE, 8, 52, 8, 21, 11),
    Nationality("韓国", 409, _KOREAN, 18, 0, 6, 12, 6, special=58),
    Nationality("フィリピン", 342, _FILIPINO, 72, 21, 1, 4, 2),
    Nationality("ネパール", 233, _NEPALI, 4, 8, 38, 19, 31),
    Nationality("ブラジル", 212, _BRAZILIAN, 97, 0, 1, 1, 1),
    Nationality("インドネシア", 200, _INDONESIAN, 8, 76, 5, 7, 4),
    Nationality("ミャンマー", 135, _BURMESE, 3, 52, 24, 17, 4),
    Nationality("台湾", 70, _TAIWANESE, 45, 0, 14, 32, 9),
    Nationality("米国", 66, _ENGLISH, 52, 0, 6, 33, 9),
    Nationality("タイ", 65, _THAI, 60, 25, 7, 6, 2),
    Nationality("スリランカ", 63, _SOUTH_ASIAN, 9, 12, 32, 27, 20),
    Nationality("インド", 54, _SOUTH_ASIAN, 18, 2, 5, 43, 32),
    Nationality("ペルー", 49, _SPANISH, 98, 0, 1, 1, 0),
    Nationality("バングラデシュ", 35, _SOUTH_ASIAN, 16, 4, 32, 25, 23),
    Nationality("パキスタン", 30, _SOUTH_ASIAN, 40, 1, 6, 22, 31),
    Nationality("英国", 20, _ENGLISH, 50, 0, 6, 36, 8),
    Nationality("フランス", 16, _FRENCH, 40, 0, 14, 36, 10),
    Nationality("ウズベキスタン", 9, _CENTRAL_ASIAN, 6, 6, 48, 22, 18),
    Nationality("モンゴル", 22, _MONGOLIAN, 16, 20, 24, 22, 18),
)

CITIES = _words("""
    北海道札幌市北区 宮城県仙台市青葉区 埼玉県川口市 埼玉県蕨市 千葉県船橋市 東京都足立区 東京都江戸川区 東京都豊島区
    神奈川県横浜市中区 静岡県浜松市中央区 愛知県名古屋市中区 愛知県豊橋市 三重県鈴鹿市 京都府京都市伏見区
    大阪府大阪市生野区 大阪府東大阪市 兵庫県神戸市中央区 広島県広島市中区 福岡県福岡市博多区 沖縄県那覇市""")
TOWNS = _words(
    "本町 栄町 中央 東町 西町 南町 北町 緑町 桜台 若葉 旭町 泉町 大和町 富士見 幸町 末広 新町 青葉 高砂 錦町 日吉"
)
BUILDINGS = _words("コーポ ハイツ メゾン グリーン レジデンス シティ パーク エステート ヴィラ フォレスト プラザ ハイム")
"""Of these, addresses are made that nobody lives at."""
